import { readFileSync } from 'node:fs'
import { checkedLanguageSchema } from '@loopgate/contracts'
import { customLanguageSchema } from '@loopgate/sandbox'
import { z } from 'zod'

/** Languages that come with bootstraps of ours, in which candidates are called: no row takes their place. */
const ours: ReadonlySet<string> = new Set(checkedLanguageSchema.options)

const tableSchema = z
  .array(customLanguageSchema)
  .max(64)
  .refine((rows) => new Set(rows.map(({ language }) => language)).size === rows.length, 'two rows have one name')
  .refine(
    (rows) => !rows.some(({ language }) => ours.has(language)),
    `${[...ours].join(', ')} cannot be replaced: choose another name`,
  )

/** The operator's table of languages: JSON, or the path of a file that holds it. */
export const languagesSetting = z
  .string()
  .default('[]')
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text.startsWith('/') ? readFileSync(text, 'utf8') : text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: `expected JSON or the path of a file: ${(error as Error).message}` })
      return z.NEVER
    }
  })
  .pipe(tableSchema)
