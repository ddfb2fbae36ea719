import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readArguments } from '../../../src/config/arguments.ts'
import { buildMemberConfig } from '../../../src/config/build-member-config.ts'
import { ConfigError } from '../../../src/config/config-error.ts'
import { type Flag, flagsByName } from '../../../src/config/flag-table.ts'
import { Settings } from '../../../src/config/settings.ts'

/** Never a number or a time that a flag could mean. */
const never = ['-1', '-1h', '-9223372036854775808', 'NaN', 'Infinity', '1e400', '0x10', '1.5.1', '', ' ', '1;2', '١']
/** Too large for anything that is counted or waited for. */
const tooLarge = { number: ['99999999999999999999', '9'.repeat(400)], time: ['99999999999h', `${'9'.repeat(400)}s`] }

const isNumber = ({ type, name }: Flag): boolean =>
  type === 'int' || type === 'uint' || name === 'auto-compaction-retention'

for (const flag of flagsByName.values()) {
  const kind = isNumber(flag) ? 'number' : flag.type === 'duration' ? 'time' : null
  if (kind === null) continue
  test(`what is no number, or none that could be meant, is refused by every flag: --${flag.name}`, () => {
    for (const text of [...never, ...tooLarge[kind]]) {
      if (text === flag.default) continue
      const settings = new Settings([readArguments([`--${flag.name}=${text}`])])
      assert.throws(
        () => buildMemberConfig(settings, { cwd: '/srv', cores: 4 }),
        (error) => {
          assert.ok(error instanceof ConfigError, String(error))
          assert.match(error.message, new RegExp(`--${flag.name}\\b`))
          assert.ok(!error.message.includes('\n'))
          return true
        },
        JSON.stringify(text.slice(0, 30)),
      )
    }
  })
}
