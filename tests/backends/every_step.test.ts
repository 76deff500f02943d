/**
 * Every step of core/plan/order.ts, to the end: it is planned, lowered, explained, refused by a driver
 * that has it not, probed, and documented. docs/adding-a-step.md says what each of these is.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { explainPlan } from "../../backends/child_program/explain.ts";
import { featuresOf, portableFeatures, requireFeatures } from "../../backends/portable/needs.ts";
import { Command } from "../../core/command.ts";
import { specOf } from "../support/spec.ts";
import { UnsupportedError } from "../../core/errors.ts";
import { FEATURES } from "../../core/tables/features.ts";
import { ORDER, type StepName } from "../../core/plan/order.ts";
import { makePlan, type Plan } from "../../core/plan/plan.ts";
import { PROBES } from "../support/probes.ts";
import { EVERYWHERE, STEPS } from "../support/steps.ts";
import { imagined } from "../support/system.ts";

const support = readFileSync(new URL("../../docs/support.md", import.meta.url), "utf8");

const plain = () => new Command("/usr/bin/tool");
const planOf = (cmd: Command): Plan => makePlan(specOf(cmd), imagined());

/** The plan of a command that has a step, and as little else as that allows. */
function planWith(step: StepName): Plan {
  return planOf(STEPS[step](plain()));
}

/** The steps of what explain() shows, each once, in the order in which they come first. */
function shownSteps(plan: Plan): string[] {
  return [...new Set(explainPlan(plan).map((line) => line.split(" ")[0] ?? ""))];
}

/** What a step adds to the features that a plain command needs. */
function featuresWith(step: StepName): Set<string> {
  return new Set(planWith(step).steps.flatMap(featuresOf));
}

test("the examples are of every step, and of no other", () => {
  assertEquals(Object.keys(STEPS).toSorted(), [...ORDER].toSorted());
});

test("a plain command has the steps that it cannot be without, and no other", () => {
  assertEquals(shownSteps(planOf(plain())), ["signals", "fds", "unblock", "exec"]);
});

for (const step of ORDER) {
  test(`${step}: explain shows the calls of a command that has the step`, () => {
    const lines = explainPlan(planWith(step)).filter((line) => line.split(" ")[0] === step);
    assert(lines.length > 0, step);
    // One blank at least, whatever the name of a step is.
    for (const line of lines) assertMatch(line, /^\w+ +\S/);
  });

  test(`${step}: a driver that lacks its feature refuses it by name; each has a probe`, () => {
    const features = [...featuresWith(step)];
    assertEquals(features.length === 0, EVERYWHERE.has(step));
    for (const feature of features) {
      assert(feature in PROBES, `${feature} has no probe`);
      assert(FEATURES.some((each) => each === feature), `${feature} is no feature`);
    }
    if (features.length === 0) return;
    const refused = () => requireFeatures(planWith(step), portableFeatures([]), "");
    assert(features.includes(assertThrows(refused, UnsupportedError).feature));
  });
}

test("of a command that has all steps, explain shows all, in their order", () => {
  // A daemon has the folder /, and cannot have another: that is checked when it runs.
  const everything = Object.values(STEPS).reduce((cmd, setup) => setup(cmd), plain());
  const display = shownSteps(planOf(everything));
  assertEquals(display.toSorted(), [...ORDER].toSorted());
  // Of capabilities, a part has to come before the ids change.
  const isOrdinary = (step: string) => step !== "capabilities";
  assertEquals(display.filter(isOrdinary), ORDER.filter(isOrdinary));
});

test("every feature has a probe, and a row in each table of docs/support.md", () => {
  const tables = support.split(/^## /m).slice(1);
  assertEquals(tables.map((table) => /\w+/.exec(table)?.[0]), ["native", "launcher", "portable"]);
  for (const feature of FEATURES) {
    assert(feature in PROBES, `${feature} has no probe in tests/support/probes.ts`);
    for (const table of tables) {
      const rows = table.split("\n").filter((line) => line.startsWith(`| ${feature} `));
      assertEquals(rows.length, 1, `${feature} in docs/support.md: npm test -- --write-support`);
    }
  }
});

test("every probe is of a feature or of what all drivers have, and has its rows", () => {
  const rows = [...support.matchAll(/^\| (.+?) +\| /gm)].map(([, name = ""]) => name);
  const probed = Object.keys(PROBES);
  for (const name of rows.filter((row) => row !== "feature" && !row.startsWith("-"))) {
    assert(probed.includes(name), `docs/support.md has a row ${name}, which nothing probes`);
  }
});
