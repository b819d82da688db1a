/** Whether a path stays in the folder that it starts from: relative, no parent steps, no NUL or backslash. */
export function staysInside(path: string): boolean {
  if (path.startsWith('/') || /[\0\\]/.test(path)) return false
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
}
