/**
 * Paths as text.
 *
 * @module
 */

/** Makes a path absolute, from a folder; changes nothing else. */
export function absolute(path: string, folder: string): string {
  return path.startsWith("/") ? path : join(folder, path);
}

/** Joins a folder and a name. An empty name is the folder itself. */
export function join(folder: string, name: string): string {
  if (name === "") return folder;
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Returns the URL of an absolute path. */
export function fileUrl(path: string): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return new URL(`file://${encoded}`).href;
}
