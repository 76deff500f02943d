export const file: string;
export function hookCodeFile(): string;
