import { z } from 'zod'

/** Message shapes of the OpenAPI document (0.2.0, read 2026-11); every object is closed. */
const textPart = z.strictObject({ type: z.literal('text'), text: z.string() })
const imageUrlPart = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({ url: z.string(), detail: z.string().nullish() }),
})
const imagePart = z.strictObject({ type: z.literal('image'), image: z.string() })

const textContent = z.union([z.string(), z.array(textPart)])
const mixedContent = z.union([z.string(), z.array(z.discriminatedUnion('type', [textPart, imageUrlPart, imagePart]))])

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
  index: z.int().nullish(),
})

const spoken = { content: mixedContent, name: z.string().nullish() }

export const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('system'), ...spoken }),
  z.strictObject({ role: z.literal('developer'), ...spoken }),
  z.strictObject({ role: z.literal('user'), ...spoken }),
  z.strictObject({
    role: z.literal('assistant'),
    content: textContent.nullish(),
    reasoning: textContent.nullish(),
    tool_calls: z.array(toolCall).nullish(),
    name: z.string().nullish(),
  }),
  z.strictObject({
    role: z.literal('tool'),
    content: textContent,
    tool_call_id: z.string(),
    name: z.string().nullish(),
  }),
])
export type Message = z.infer<typeof message>
export type MessageContent = Message['content']

/** The texts of a message's content, images left out. */
export function textsOf(content: MessageContent): string[] {
  if (content === null || content === undefined) return []
  if (typeof content === 'string') return [content]
  return content.flatMap((part) => (part.type === 'text' ? [part.text] : []))
}
