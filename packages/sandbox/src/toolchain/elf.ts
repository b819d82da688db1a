import { closeSync, openSync, readSync } from 'node:fs'

/** Program header type of the interpreter's path (elf(5): PT_INTERP). */
const PT_INTERP = 3

/**
 * The dynamic loader that a 64-bit little-endian ELF program names, or null for a static one.
 * @throws Error if the file is no such program, a script for instance
 */
export function interpreterOf(path: string): string | null {
  const file = openSync(path, 'r')
  try {
    const magic = Buffer.alloc(6)
    readSync(file, magic, 0, magic.length, 0)
    if (magic.toString('latin1', 0, 4) !== '\u007fELF' || magic[4] !== 2 || magic[5] !== 1) {
      throw new Error(`${path} is not a program for this machine (a 64-bit ELF file), perhaps a script or a shim`)
    }
    const header = read(file, 0, 64)
    const tableOffset = Number(header.readBigUInt64LE(32))
    const entrySize = header.readUInt16LE(54)
    const entries = header.readUInt16LE(56)
    for (let i = 0; i < entries; i++) {
      const entry = read(file, tableOffset + i * entrySize, 56)
      if (entry.readUInt32LE(0) === PT_INTERP) {
        const text = read(file, Number(entry.readBigUInt64LE(8)), Number(entry.readBigUInt64LE(32)))
        return text.toString('utf8').replace(/\0.*$/s, '')
      }
    }
    return null
  } finally {
    closeSync(file)
  }
}

function read(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.alloc(length)
  const count = readSync(file, buffer, 0, length, position)
  if (count !== length) throw new Error('the file is shorter than its header says')
  return buffer
}
