/**
 * Runs random commands on this runtime and driver, and writes what came of each to a file, one
 * line of JSON for each. Standard output and error are what commands inherit. scripts/fuzz.mjs
 * starts this on one runtime after the other, and compares.
 *
 * Argument, as JSON: `{ driver, seed, from, count, folder, out }`, or `recipes` instead of the numbers.
 *
 * @module
 */

import { appendFileSync } from "node:fs";
import process from "node:process";
import type { DriverName } from "../../mod.ts";
import { Kitchen } from "./kitchen.ts";
import { type Recipe, recipeOf } from "./recipe.ts";

interface Order {
  readonly driver: DriverName;
  readonly seed: string;
  readonly from: number;
  readonly count: number;
  readonly recipes?: readonly Recipe[];
  readonly folder: string;
  readonly out: string;
}

const order = JSON.parse(process.argv[2] ?? "") as Order;
const root = process.getuid?.() === 0;
const recipes = order.recipes ??
  Array.from(
    { length: order.count },
    (_, i) => recipeOf(`${order.seed} ${order.from + i}`, root),
  );
const kitchen = new Kitchen(order.folder, order.driver);
for (const recipe of recipes) {
  const outcome = await kitchen.cook(recipe);
  appendFileSync(order.out, `${JSON.stringify({ recipe, outcome })}\n`);
}
kitchen.close();
