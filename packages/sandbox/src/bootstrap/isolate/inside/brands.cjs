'use strict'
// Runs inside an isolate in place of node:util: what a value is, by what only such a value can do.
const can = (probe) => (value) => {
  try {
    probe(value)
    return true
  } catch {
    return false
  }
}

module.exports = {
  types: {
    // Not to be told from inside; it is walked like any other object, and what comes out is data.
    isProxy: () => false,
    isMap: can((value) => Map.prototype.has.call(value, value)),
    isSet: can((value) => Set.prototype.has.call(value, value)),
    isDate: can((value) => Date.prototype.getTime.call(value)),
  },
}
