'use strict'
// Plain data as text that either side may read without trusting the other: JSON whose arrays begin
// with a tag. a array, h hole, o object (key, value, ...), m Map, s Set, D Date, i bigint,
// n number that JSON lacks, u undefined.
const MAX_DEPTH = 100
const MAX_CHARACTERS = 4_194_304
const MAX_ITEMS = 1_000_000

class NotPlain extends Error {}

const { isArray } = Array
const { getPrototypeOf, defineProperty, keys, prototype: objectPrototype } = Object
const { isProxy, isMap, isSet, isDate } = require('node:util').types

/** Walks a value into tagged arrays. @throws NotPlain */
function walk(value, depth, count) {
  if ((count.items += 1) > MAX_ITEMS) throw new NotPlain(`has more than ${MAX_ITEMS} items`)
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : ['n', Object.is(value, -0) ? '-0' : String(value)]
    case 'bigint':
      return ['i', value.toString()]
    case 'undefined':
      return ['u']
    case 'object':
      break
    default:
      throw new NotPlain(`holds a ${typeof value}`)
  }
  if (value === null) return null
  if (depth >= MAX_DEPTH) throw new NotPlain(`is nested deeper than ${MAX_DEPTH} levels`)
  return walkObject(value, depth + 1, count)
}

function walkObject(value, depth, count) {
  if (isProxy(value)) throw new NotPlain('holds a Proxy')
  if (isArray(value)) {
    const out = ['a']
    if (value.length > MAX_ITEMS) throw new NotPlain(`has more than ${MAX_ITEMS} items`)
    for (let i = 0; i < value.length; i++) {
      out.push(Object.hasOwn(value, i) ? walk(value[i], depth, count) : ['h'])
    }
    return out
  }
  if (isMap(value)) {
    const out = ['m']
    Map.prototype.forEach.call(value, (item, key) => out.push(walk(key, depth, count), walk(item, depth, count)))
    return out
  }
  if (isSet(value)) {
    const out = ['s']
    Set.prototype.forEach.call(value, (item) => out.push(walk(item, depth, count)))
    return out
  }
  if (isDate(value)) return ['D', walk(Date.prototype.getTime.call(value), depth, count)]
  const prototype = getPrototypeOf(value)
  if (prototype !== objectPrototype && prototype !== null) {
    throw new NotPlain(
      `holds an instance of ${String(prototype.constructor?.name || 'an unnamed class').slice(0, 100)}`,
    )
  }
  const out = ['o']
  for (const key of keys(value)) out.push(key, walk(value[key], depth, count))
  return out
}

/** The text of a value. @throws NotPlain */
function encode(value) {
  const text = JSON.stringify(walk(value, 0, { items: 0 }))
  if (text.length > MAX_CHARACTERS) throw new NotPlain(`is larger than ${MAX_CHARACTERS} characters`)
  return text
}

const NUMBERS = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY, '-0': -0 }

function build(node, depth) {
  if (!isArray(node)) {
    if (node !== null && typeof node === 'object') throw new NotPlain('malformed data: an object')
    return node
  }
  if (depth > MAX_DEPTH) throw new NotPlain(`is nested deeper than ${MAX_DEPTH} levels`)
  const [tag, first] = node
  switch (tag) {
    case 'a': {
      const out = []
      out.length = node.length - 1
      for (let i = 1; i < node.length; i++) {
        const item = node[i]
        if (isArray(item) && item[0] === 'h') continue
        out[i - 1] = build(item, depth + 1)
      }
      return out
    }
    case 'o': {
      const out = {}
      for (const [key, value] of pairs(node, depth)) {
        if (typeof key !== 'string') throw new NotPlain('malformed data: a key')
        // Never by assignment: "__proto__" is a key like any other here.
        defineProperty(out, key, { value, writable: true, enumerable: true, configurable: true })
      }
      return out
    }
    case 'm':
      return new Map(pairs(node, depth))
    case 's':
      return new Set(node.slice(1).map((item) => build(item, depth + 1)))
    case 'D':
      return new Date(isArray(first) ? Number.NaN : Number(first))
    case 'i':
      if (typeof first === 'string' && /^-?\d+$/.test(first)) return BigInt(first)
      break
    case 'n':
      if (typeof first === 'string' && Object.hasOwn(NUMBERS, first)) return NUMBERS[first]
      break
    case 'u':
      return undefined
  }
  throw new NotPlain('malformed data: unknown tag')
}

function pairs(node, depth) {
  if (node.length % 2 === 0) throw new NotPlain('malformed data: a key without value')
  const out = []
  for (let i = 1; i < node.length; i += 2) out.push([build(node[i], depth + 1), build(node[i + 1], depth + 1)])
  return out
}

/** The value of a text that may be hostile. @throws NotPlain */
function decode(text) {
  try {
    return build(JSON.parse(text), 0)
  } catch (error) {
    if (error instanceof NotPlain) throw error
    throw new NotPlain(`malformed data: ${error.name}`)
  }
}

module.exports = { encode, decode, NotPlain }
