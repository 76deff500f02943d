// Says with which codes children end, each way of running them.
import { Command } from "../../../mod.ts";

const cmd = new Command("sh", "-c", "exit 3");
const options = { check: false };
const sync = cmd.runSync(options).code;
const { code } = await cmd.run(options);
const child = await cmd.spawn();
const spawned = (await child.wait(options)).code;
console.log([sync, code, spawned].join(" "));
