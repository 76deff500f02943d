import { assertEquals } from "@std/assert";
import { conform } from "../support/harness.ts";
import { program } from "../support/runtime.ts";

conform("nothing of the web platform that jsdom lacks needs to be there", async () => {
  const told = JSON.parse(await program("bare_globals").text());
  assertEquals(told, {
    lacking: [],
    text: "ö",
    sync: "ß",
    lines: ["a", "ü"],
    piped: [...new TextEncoder().encode("ä")],
  });
}, {
  skip: "Bun" in globalThis ? "Bun's own modules look for them in the global scope" : undefined,
});
