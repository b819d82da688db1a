import { ENV_NAMES } from '@loopgate/service-kit'
import { GENERATED, table } from './markdown.ts'

/** `docs/configuration.md`: every setting. */
export function configurationPage(): string {
  const rows = Object.entries(ENV_NAMES).map(([name, { used, default: fallback, text }]) => [
    `\`${name}\``,
    used,
    fallback,
    text,
  ])
  return `# Configuration

${GENERATED}

Settings come from the environment alone and are read once. A name that begins with \`LOOPGATE_\` and is not in this
table is refused, so that a misspelt setting is never silently a default. An empty value is no value. All processes may
share one environment. \`node services/gateway/src/server.ts --print-config\` shows what the gateway would use, without
secrets.

${table(
  ['name', 'read by', 'default', 'meaning'],
  [
    ...rows,
    [
      '`CEREBRAS_API_KEY`',
      'gateway',
      '-',
      'Key of the Cerebras API, of the organisation named default; it never leaves the gateway but for the upstream',
    ],
  ],
)}
`
}
