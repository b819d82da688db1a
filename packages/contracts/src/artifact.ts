import { z } from 'zod'
import { staysInside } from './inside.ts'

/** Files that one execution may give back. */
export const ARTIFACTS_MAX = 64
/** Content of all artifacts of one execution together; a result has to fit into one frame of the runner. */
export const ARTIFACT_BYTES_MAX = 2 * 1024 * 1024

/**
 * Files to give back: a path in the working folder, or a pattern in which `*` and `?` stand for characters
 * of one name and `**` for any folders.
 */
export const artifactPatternSchema = z
  .string()
  .min(1)
  .max(255)
  .refine(staysInside, 'expected a relative path or pattern without "..", "\\" or NUL')

/** A file that the program left, or why it is not given back. */
export const artifactSchema = z.object({
  path: z.string(),
  sizeBytes: z.int().describe('-1 where it could not be told'),
  sha256: z.string().optional(),
  base64: z.string().optional().describe('The content, unless it was skipped'),
  skippedReason: z
    .enum(['symlink', 'not_a_file', 'hard_link', 'too_large', 'sparse', 'too_many', 'unreadable', 'bad_name'])
    .optional(),
})
export type Artifact = z.infer<typeof artifactSchema>
