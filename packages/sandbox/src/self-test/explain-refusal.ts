/** Parts of bubblewrap's messages, with what an operator can do about them. */
const REMEDIES: ReadonlyArray<readonly [RegExp, string]> = [
  [
    /no permissions to creat(e|ing) (a )?new namespace|creating new namespace failed|clone3? failed|unshare/i,
    'This machine refuses user namespaces to the user that starts sandboxes. On Debian and Ubuntu allow them with sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0; everywhere user.max_user_namespaces must be above 0; in a container the seccomp profile has to allow clone, unshare and mount.',
  ],
  [
    /setting up uid map|write(ing)? to \/proc\/self\/uid_map|uid_map/i,
    'A user namespace could be made but not set up: AppArmor (kernel.apparmor_restrict_unprivileged_userns) or the container forbids writing its user map.',
  ],
  [
    /mount(ing)? proc|can't mount proc|mount proc/i,
    'procfs cannot be mounted in the sandbox: in a container /proc must be unmasked (systempaths=unconfined, or procMount: Unmasked with hostUsers: false).',
  ],
  [
    /can't find source path|permission denied/i,
    'The user that starts sandboxes cannot read something it needs: check the permissions of the folders named.',
  ],
  [/unknown option/i, 'This bubblewrap is too old: version 0.8 or newer is needed.'],
]

/** What the failure means and what to do, in front of what was said. */
export function explainRefusal(said: string): string {
  const remedy = REMEDIES.find(([pattern]) => pattern.test(said))?.[1]
  return remedy === undefined ? said : `${remedy} (${said})`
}
