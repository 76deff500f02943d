/**
 * What a driver may or may not have, by the names of the builder's methods.
 *
 * @module
 */

/** The features that drivers differ in. Arguments, environment and streams all of them have. */
export const FEATURES = [
  "umask",
  "limit",
  "session",
  "processGroup",
  "passFd",
  "sendBuffer",
  "uid",
  "gid",
  "groups",
  "user",
  "clearCaps",
  "allowCap",
  "oomScoreAdj",
  "cpuAffinity",
  "ioPriority",
  "nice",
  "scheduler",
  "selinuxLabel",
  "apparmorProfile",
  "runAlone",
  "runAmong",
  "noNewPrivs",
  "step",
  "dieWithParent",
  "preExec",
  "handshake",
  "daemonize",
  "pidFile",
  "exec",
  "runSync",
] as const;

/** The name of a feature. */
export type Feature = typeof FEATURES[number];
