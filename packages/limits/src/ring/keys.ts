/** Redis keys of the key ring: all in one slot, since one script changes them together. */
export const ringKeys = (prefix: string) => {
  const base = `{${prefix}-keys}`
  return { keys: `${base}:keys`, tenants: `${base}:tenants`, version: `${base}:version`, audit: `${base}:audit` }
}
