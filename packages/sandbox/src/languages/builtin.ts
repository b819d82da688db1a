import { customLanguageSchema, type CustomLanguage } from './generic.ts'

/** Rows of one language in order of preference: the first whose tools are found stands. */
type Choice = readonly CustomLanguage[]

const row = (fields: object): CustomLanguage => customLanguageSchema.parse(fields)

const shell = (name: string): CustomLanguage =>
  row({
    language: 'shell',
    // dash has no option for its version.
    version: name === 'bash' ? ['bash', '--version'] : ['sh', '-c', 'echo POSIX'],
    run: [name, '{entry}'],
    fileName: 'main.sh',
    probe: 'test "$(echo 6 7)" = "6 7"',
  })

const c = (compiler: string): CustomLanguage =>
  row({
    language: 'c',
    version: [compiler, '--version'],
    compile: [compiler, '-O2', '-o', '{program}', '{files}', '-lm'],
    run: ['{program}'],
    fileName: 'main.c',
    probe: '#include <stdio.h>\nint main(void) { return printf("%d", 42) == 2 ? 0 : 1; }\n',
  })

const cpp = (compiler: string): CustomLanguage =>
  row({
    language: 'cpp',
    version: [compiler, '--version'],
    compile: [compiler, '-O2', '-o', '{program}', '{files}'],
    run: ['{program}'],
    fileName: 'main.cpp',
    // No header of the library: each costs a second of a start.
    probe: 'struct A { virtual int f() { return 0; } };\nint main() { A a; return a.f(); }\n',
  })

/** Languages that are offered wherever their tools are found. */
export const BUILT_IN: readonly Choice[] = [
  [shell('bash'), shell('sh')],
  [c('gcc'), c('clang')],
  [cpp('g++'), cpp('clang++')],
]
