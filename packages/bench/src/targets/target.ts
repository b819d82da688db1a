/** What a target is given to start. */
export type TargetContext = {
  /** Origin of the mock upstream, e.g. `http://127.0.0.1:40001`. */
  readonly upstream: string
  readonly upstreamPid: number
  /** Core of the gateway under test. */
  readonly core: number
  /** Folder for configurations, logs and installs of this run. */
  readonly folder: string
  /** The pinned Node. */
  readonly node: string
  /** Root of the repository. */
  readonly root: string
  /** The path of a program such as nginx, brought if need be. Throws when it is not to be had. */
  readonly tool: (name: string) => string
}

/** A target that runs. */
export type RunningTarget = {
  readonly origin: string
  /** Headers that its callers send. */
  readonly headers: Readonly<Record<string, string>>
  /** Processes whose CPU time is that of the target. */
  readonly pids: () => readonly number[]
  readonly stop: () => Promise<void>
}

/** One thing that is measured. */
export type Target = {
  readonly name: string
  /** What exactly it is, for the reader of the report. */
  readonly label: string
  /** @throws Error that says why it cannot be measured here; the report then shows that. */
  readonly start: (context: TargetContext) => Promise<RunningTarget>
}
