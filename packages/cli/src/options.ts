import { type KeyChange, type SpendLimits, spendLimitsSchema } from '@loopgate/contracts'
import { InvalidArgumentError } from 'commander'

/** Splits a list; commander gives the values of a repeated option one by one. */
export const list = (text: string, before: readonly string[] = []): string[] => [
  ...before,
  ...text.split(',').map((item) => item.trim()),
]

/** Reads `name=number`, as often as it is given. */
export function limit(text: string, before: SpendLimits = {}): SpendLimits {
  const [name = '', value = ''] = text.split('=')
  const read = spendLimitsSchema.safeParse({ ...before, [name]: value === '' ? Number.NaN : Number(value) })
  if (read.success) return read.data
  const names = Object.keys(spendLimitsSchema.shape).join(', ')
  throw new InvalidArgumentError(`expected <limit>=<whole number>, where <limit> is one of ${names}`)
}

/** Reads `name=text`, as often as it is given. */
export function label(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('expected <name>=<text>')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** What the options of a key say of its grants; the gateway checks the values. */
export function grants(options: Readonly<Record<string, unknown>>): KeyChange {
  const names = { name: 'name', scopes: 'scopes', models: 'models', limit: 'limits', label: 'labels' }
  const more = { priorityCeiling: 'priorityCeiling', expires: 'expiresAt' }
  const given = Object.entries({ ...names, ...more }).filter(([option]) => options[option] !== undefined)
  return Object.fromEntries(given.map(([option, field]) => [field, options[option]])) as KeyChange
}
