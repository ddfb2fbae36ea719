import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from '../../../src/base/histogram.ts'
import { counter, gauge, histogram, histogramSamples, info } from '../../../src/metrics/family.ts'
import { MetricsRegistry } from '../../../src/metrics/registry.ts'

test('families come out in the text format, read anew', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const registry = new MetricsRegistry()
  const counted = new Histogram([0.5, 1])
  let value = 1
  registry.add([
    gauge('a_gauge', 'A help with \\ and\nan end of line.', () => value),
    counter('a_counter', 'Help.', () => true),
    info('an_info', 'Help.', { label: 'a "quoted" \\ label\n' }),
    histogram('a_histogram', 'Help.', counted),
  ])
  for (const seconds of [0.25, 0.75, 7]) counted.observe(seconds)
  const text = await registry.text()
  const ours = text.slice(text.indexOf('# HELP a_gauge')).replaceAll('\n\n', '\n')
  assert.equal(
    ours,
    [
      '# HELP a_gauge A help with \\\\ and\\nan end of line.',
      '# TYPE a_gauge gauge',
      'a_gauge 1',
      '# HELP a_counter Help.',
      '# TYPE a_counter counter',
      'a_counter 1',
      '# HELP an_info Help.',
      '# TYPE an_info gauge',
      'an_info{label="a \\"quoted\\" \\\\ label\\n"} 1',
      '# HELP a_histogram Help.',
      '# TYPE a_histogram histogram',
      'a_histogram_bucket{le="0.5"} 1',
      'a_histogram_bucket{le="1"} 2',
      'a_histogram_bucket{le="+Inf"} 3',
      'a_histogram_sum 8',
      'a_histogram_count 3',
      '',
    ].join('\n'),
  )
  assert.match(text, /^process_cpu_seconds_total /m)
  assert.match(text, /^nodejs_eventloop_lag_seconds /m)
  value = 2
  assert.match(await registry.text(), /^a_gauge 1$/m, 'a text that was just made is good for a moment')
  t.mock.timers.tick(250)
  assert.match(await registry.text(), /^a_gauge 2$/m)
  assert.throws(() => registry.add([gauge('a_gauge', 'Help.', () => 0)]))
})

test('a histogram of several threads is the sum of theirs', () => {
  const parts = [new Histogram([1]), new Histogram([1])]
  parts[0]!.observe(0.5)
  parts[1]!.observe(0.25)
  parts[1]!.observe(3)
  assert.deepEqual(
    [...histogramSamples(parts, { of: 'all' })],
    [
      { labels: { of: 'all', le: '1' }, value: 2, suffix: '_bucket' },
      { labels: { of: 'all', le: '+Inf' }, value: 3, suffix: '_bucket' },
      { labels: { of: 'all' }, value: 3.75, suffix: '_sum' },
      { labels: { of: 'all' }, value: 3, suffix: '_count' },
    ],
  )
  assert.deepEqual([...histogramSamples([])], [])
})
