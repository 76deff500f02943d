// An initial RAM disk: an archive of cpio's format "newc", see the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;

/** The archive. `entries` are { name, data } for files, all executable, and { name } for folders. */
export function cpio(entries) {
  const parts = entries.flatMap(({ name, data }, index) =>
    entry(index + 1, name, data === undefined ? S_IFDIR | 0o755 : S_IFREG | 0o755, data)
  );
  return Buffer.concat([...parts, ...entry(0, "TRAILER!!!", 0, undefined)]);
}

function entry(inode, name, mode, data = Buffer.alloc(0)) {
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  return [padded(Buffer.from(`${head}${name}\0`, "latin1")), padded(data)];
}

/** Names and contents end at multiples of four bytes. */
function padded(bytes) {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
