/**
 * On a kernel with AppArmor, with the profiles of scripts/vm/guest/profiles.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { Command } from "../../mod.ts";
import { conform } from "../support/harness.ts";
import { testLabels } from "./labels.ts";

testLabels({
  module: "apparmor",
  set: (cmd, label) => cmd.apparmorProfile(label),
  label: "vc_confined",
  shown: "vc_confined (enforce)\n",
  unknown: "vc_unknown",
  code: "ENOENT",
  errno: 2,
  message: "no such profile is loaded",
  poor: "vc_parent",
  poorMessage: "the profile of this process does not allow the change",
});

const PROFILES: Record<string, string> = {
  "vc with spaces": "vc with spaces (enforce)\n",
  "vc_complain": "vc_complain (complain)\n",
  "unconfined": "unconfined\n",
};

for (const [profile, shown] of Object.entries(PROFILES)) {
  conform(`the profile ${profile}`, async () => {
    const cmd = () => new Command("cat", "/proc/self/attr/current").apparmorProfile(profile);
    assertEquals((await cmd().run()).stdout, shown);
    assertEquals(cmd().runSync().stdout, shown);
  });
}
