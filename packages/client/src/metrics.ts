import type { Metrics } from './types.ts'

type Series = { readonly labels: Readonly<Record<string, string>>; readonly value: number }

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g

/**
 * Reads Prometheus' text format (exposition format 0.0.4). Comments, and lines that are none of
 * it, are passed over.
 */
export function parseMetrics(text: string): Metrics {
  const byName = new Map<string, Series[]>()
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = LINE.exec(line) ?? []
    if (name === undefined || value === undefined) continue
    const series = byName.get(name) ?? []
    byName.set(name, series)
    series.push({ labels: parseLabels(labels), value: toNumber(value) })
  }
  const matching = (name: string, wanted: Readonly<Record<string, string>>): Series[] =>
    (byName.get(name) ?? []).filter(({ labels }) =>
      Object.entries(wanted).every(([label, value]) => labels[label] === value),
    )
  return {
    sum: (name, labels = {}) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
    byLabel: (name, label) => {
      const sums: Record<string, number> = {}
      for (const { labels, value } of matching(name, {})) {
        const key = labels[label]
        if (key !== undefined) sums[key] = (sums[key] ?? 0) + value
      }
      return sums
    },
  }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const [, name = '', value = ''] of text.matchAll(LABEL)) {
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}

const toNumber = (text: string): number => (text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text))
