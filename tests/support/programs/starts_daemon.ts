// Starts a daemon as its argument says, in JSON, and does nothing more: what becomes of the daemon
// when this process is killed meanwhile is what is tested.
import process from "node:process";
import { Command } from "../../../mod.ts";

const { argv, pidFile, hook, data, handshake, sync } = JSON.parse(process.argv[2] ?? "{}");
const cmd = Command.from(argv).daemonize();
if (pidFile !== undefined) cmd.pidFile(pidFile);
if (hook !== undefined) cmd.preExec(hook, data);
if (handshake === true) cmd.handshake();
if (sync === true) cmd.runSync();
const child = await cmd.spawn();
process.stdout.write(`${child.pid}\n`);
setInterval(() => {}, 1000);
