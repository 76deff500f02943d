/** One entry: a folder with its slash, or a file; and what it is for. */
export type Entry = [name: string, what: string];

export const FLOORS: Entry[][];
export function placeOf(path: string): { floor: number; name: string } | undefined;
export function floorList(): string;
export function floorsSvg(): string;
export function generated(): [path: string, text: string][];
