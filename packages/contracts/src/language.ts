import { z } from 'zod'

/**
 * Name of a language that a runner may offer. `python`, `javascript`, `typescript`, `shell`, `c` and `cpp` are
 * known to every runner that finds their tools; an operator's table adds others under names of its own.
 */
export const languageSchema = z
  .string()
  .regex(/^[a-z][a-z0-9_+#.-]{0,31}$/, 'expected the name of a language in lower case, such as "python"')
export type Language = z.infer<typeof languageSchema>

/** Languages in which a candidate can be called function by function, as checks do. */
export const checkedLanguageSchema = z.enum(['python', 'javascript', 'typescript'])
export type CheckedLanguage = z.infer<typeof checkedLanguageSchema>
