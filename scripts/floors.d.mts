/** One entry: a file, or a folder with a trailing slash, and its purpose. */
export type Entry = [name: string, what: string];

export const FLOORS: Entry[][];
export function placeOf(path: string): { floor: number; name: string } | undefined;
export function floorList(): string;
export function floorsSvg(): string;
export function generated(): [path: string, text: string][];
