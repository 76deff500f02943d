/**
 * Paths as text.
 *
 * @module
 */

/** A path made absolute from a folder; nothing else about it is changed. */
export function absolute(path: string, folder: string): string {
  return path.startsWith("/") ? path : join(folder, path);
}

export function join(folder: string, name: string): string {
  if (name === "") return folder;
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}
