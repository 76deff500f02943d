// Reads the JUnit reports of the runtimes' test runners.

/** Returns the test cases of a report. The three runtimes share this part of the format. */
export function parseReport(xml) {
  const cases = [];
  for (
    const [, attributes, body = ""] of xml.matchAll(
      /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
    )
  ) {
    const name = unescape(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? "?");
    const failure =
      /<(?:failure|error)\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/(?:failure|error)>)/.exec(
        body,
      );
    const text = failure === null
      ? undefined
      : unescape(failure[2] ?? /message="([^"]*)"/.exec(failure[1])?.[1] ?? "");
    // Deno has the file in the place of a class. Node 22 does not report it.
    const file = /\b(?:file|classname)="([^"]*\.test\.m?[jt]s)"/.exec(attributes)?.[1];
    cases.push({ name, failure: text, skipped: /<skipped\b/.test(body), file });
  }
  return cases;
}

function unescape(text) {
  const entities = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": "\n", "#39": "'" };
  return text.replaceAll(/&([a-z#0-9]+);/g, (whole, name) => entities[name] ?? whole);
}
