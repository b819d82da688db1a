'use strict'
// Runs inside an isolate: `require` for the files of the request, and for node:assert, the one module of
// Node's that there is.
module.exports = function createModules({ read, loadAssert }) {
  // oxlint-disable-next-line no-eval -- indirect, to run in the global scope of an isolate
  const run = eval
  const loaded = new Map()
  let assert
  const folderOf = (path) => path.slice(0, path.lastIndexOf('/') + 1)

  function resolve(folder, name) {
    const parts = []
    for (const part of (folder + name).split('/')) {
      if (part === '..') parts.pop()
      else if (part !== '.' && part !== '') parts.push(part)
    }
    const path = parts.join('/')
    // Files of TypeScript stand here without types and under the names of JavaScript.
    return [
      path.replace(/\.([mc]?)tsx?$/, '.$1js'),
      `${path}.js`,
      `${path}.cjs`,
      `${path}.json`,
      `${path}/index.js`,
    ].find((each) => read(each) !== undefined)
  }
  function missing(name) {
    const why = /^\.{0,2}\//.test(name) ? 'it is none of the files' : 'the tier isolate has no modules of Node or npm'
    return Object.assign(new Error(`Cannot find module '${name}': ${why}`), { code: 'MODULE_NOT_FOUND' })
  }
  function requireFrom(folder) {
    return (name) => {
      if (/^(node:)?assert(\/strict)?$/.test(name)) {
        assert ??= loadAssert()
        return name.endsWith('/strict') ? assert.strict : assert
      }
      const path = /^\.{1,2}\//.test(name) ? resolve(folder, name) : undefined
      if (path === undefined) throw missing(name)
      return load(path)
    }
  }
  function load(path) {
    const known = loaded.get(path)
    if (known !== undefined) return known.exports
    const source = read(path)
    const module = { exports: {}, id: path, filename: path, loaded: false }
    loaded.set(path, module)
    if (path.endsWith('.json')) module.exports = JSON.parse(source)
    else {
      const body = `(function (exports, require, module, __filename, __dirname) {${source}\n})`
      run(`${body}\n//# sourceURL=/tmp/work/${path}`).call(module.exports, ...scopeOf(module, path))
    }
    module.loaded = true
    return module.exports
  }
  const scopeOf = (module, path) => [
    module.exports,
    Object.assign(requireFrom(folderOf(path)), { main: module }),
    module,
    `/tmp/work/${path}`,
    `/tmp/work/${folderOf(path)}`.replace(/\/$/, ''),
  ]
  const newMain = (path) => {
    const module = { exports: {}, id: '.', filename: path, loaded: false }
    loaded.set(path, module)
    return { module, scope: scopeOf(module, path) }
  }
  return { newMain }
}
