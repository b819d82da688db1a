'use strict'
// Runs inside an isolate: what node:assert promises, as far as checks of plain data use it.
const { isMap, isSet, isDate } = require('node:util').types

module.exports = function createAssert({ show }) {
  class AssertionError extends Error {
    constructor({ message, actual, expected, operator, generated = message === undefined }) {
      super(message ?? `${show(actual)} ${operator} ${show(expected)}`)
      Object.assign(this, { generatedMessage: generated, code: 'ERR_ASSERTION', actual, expected, operator })
    }
    get name() {
      return 'AssertionError'
    }
  }

  const { hasOwn, is, keys, getPrototypeOf } = Object
  const ownSymbols = (value) =>
    Object.getOwnPropertySymbols(value).filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))

  /** Loose compares as == does, strict as Object.is and prototypes do. */
  function equals(left, right, strict, pairs) {
    if (left === right) return left !== 0 || !strict || is(left, right)
    if (left === null || right === null || typeof left !== 'object' || typeof right !== 'object') {
      // eslint-disable-next-line eqeqeq -- this is what the loose comparison promises
      return strict ? is(left, right) : left == right || (left !== left && right !== right)
    }
    if (strict && getPrototypeOf(left) !== getPrototypeOf(right)) return false
    if (Array.isArray(left) !== Array.isArray(right)) return false
    if (pairs.some(([a, b]) => a === left && b === right)) return true
    return sameKind(left, right, strict, [...pairs, [left, right]])
  }

  function sameKind(left, right, strict, pairs) {
    for (const is of [isMap, isSet, isDate]) if (is(left) !== is(right)) return false
    if (isDate(left) && Number(left) !== Number(right)) return false
    if (left instanceof RegExp && String(left) !== String(right)) return false
    if (left instanceof Error && (left.message !== right.message || left.name !== right.name)) return false
    const boxed = [Number, String, Boolean, BigInt, Symbol].find((kind) => left instanceof kind)
    if (boxed && !(right instanceof boxed && is(left.valueOf(), right.valueOf()))) return false
    if (isMap(left) && !sameMap(left, right, strict, pairs)) return false
    if (isSet(left) && !sameSet(left, right, strict, pairs)) return false
    if (Array.isArray(left) && left.length !== right.length) return false
    const names = [...keys(left), ...(strict ? ownSymbols(left) : [])]
    const others = [...keys(right), ...(strict ? ownSymbols(right) : [])]
    return (
      names.length === others.length &&
      names.every((name) => hasOwn(right, name) && equals(left[name], right[name], strict, pairs))
    )
  }

  function sameMap(left, right, strict, pairs) {
    if (left.size !== right.size) return false
    return [...left].every(([key, value]) => {
      if (right.has(key)) return equals(value, right.get(key), strict, pairs)
      if (strict && (key === null || typeof key !== 'object')) return false
      return [...right].some(([other, its]) => equals(key, other, strict, pairs) && equals(value, its, strict, pairs))
    })
  }

  function sameSet(left, right, strict, pairs) {
    if (left.size !== right.size) return false
    const others = [...right]
    return [...left].every((value) => {
      const at = others.findIndex((other) => equals(value, other, strict, pairs))
      if (at >= 0) others.splice(at, 1)
      return at >= 0
    })
  }

  function fail(message, facts) {
    if (message instanceof Error) throw message
    throw new AssertionError({ message, ...facts })
  }
  const compare = (operator, holds) => (actual, expected, message) => {
    if (!holds(actual, expected)) fail(message, { actual, expected, operator })
  }
  const deep = (strict) => (left, right) => equals(left, right, strict, [])
  const not = (holds) => (left, right) => !holds(left, right)
  // eslint-disable-next-line eqeqeq -- as above
  const loosely = (left, right) => left == right || (left !== left && right !== right)

  function matches(error, expected) {
    if (expected === undefined) return true
    if (expected instanceof RegExp) return expected.test(String(error))
    if (typeof expected !== 'function') {
      return keys(expected).every((key) =>
        expected[key] instanceof RegExp ? expected[key].test(error[key]) : equals(error[key], expected[key], true, []),
      )
    }
    if (expected.prototype !== undefined && error instanceof expected) return true
    return !Error.isPrototypeOf(expected) && expected !== Error && expected(error) === true
  }
  const MISSING = 'Missing expected exception.'
  const expecting = (expected, message) => (typeof expected === 'string' ? [undefined, expected] : [expected, message])

  function throws(action, ...rest) {
    const [expected, message] = expecting(...rest)
    try {
      action()
    } catch (error) {
      if (!matches(error, expected)) throw error
      return
    }
    fail(message ?? MISSING, { operator: 'throws' })
  }
  async function rejects(promise, ...rest) {
    const [expected, message] = expecting(...rest)
    try {
      await (typeof promise === 'function' ? promise() : promise)
    } catch (error) {
      if (!matches(error, expected)) throw error
      return
    }
    fail(message ?? 'Missing expected rejection.', { operator: 'rejects' })
  }
  const unwanted = (error, operator) =>
    fail(`Got unwanted exception.\nActual message: "${error?.message}"`, { operator })

  const ok = (value, message) => {
    if (!value)
      fail(message ?? 'The expression evaluated to a falsy value', { actual: value, expected: true, operator: '==' })
  }
  const assert = (value, message) => ok(value, message)
  const functions = {
    ok,
    AssertionError,
    equal: compare('==', loosely),
    notEqual: compare('!=', not(loosely)),
    strictEqual: compare('strictEqual', is),
    notStrictEqual: compare('notStrictEqual', not(is)),
    deepEqual: compare('deepEqual', deep(false)),
    notDeepEqual: compare('notDeepEqual', not(deep(false))),
    deepStrictEqual: compare('deepStrictEqual', deep(true)),
    notDeepStrictEqual: compare('notDeepStrictEqual', not(deep(true))),
    match: compare('match', (text, pattern) => pattern.test(text)),
    doesNotMatch: compare('doesNotMatch', (text, pattern) => !pattern.test(text)),
    throws,
    rejects,
    doesNotThrow: (action) => {
      try {
        action()
      } catch (error) {
        unwanted(error, 'doesNotThrow')
      }
    },
    doesNotReject: async (promise) => {
      try {
        await (typeof promise === 'function' ? promise() : promise)
      } catch (error) {
        unwanted(error, 'doesNotReject')
      }
    },
    fail: (message = 'Failed') => fail(message, { operator: 'fail' }),
    ifError: (value) => {
      if (value !== null && value !== undefined) fail(`ifError got unwanted exception: ${value.message ?? value}`, {})
    },
  }
  Object.assign(assert, functions)
  const strict = Object.assign((value, message) => ok(value, message), functions, {
    equal: functions.strictEqual,
    notEqual: functions.notStrictEqual,
    deepEqual: functions.deepStrictEqual,
    notDeepEqual: functions.notDeepStrictEqual,
  })
  assert.strict = strict
  strict.strict = strict
  return assert
}
