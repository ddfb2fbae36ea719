import { compareBytes } from '../base/bytes.ts'
import type { KeyRange } from '../base/key-range.ts'
import { type Random, seededRandom } from '../base/random.ts'

interface TreapNode<T> {
  readonly range: KeyRange
  readonly value: T
  readonly priority: number
  /** Largest end in this subtree; null if one of its ranges is unbounded. */
  maxEnd: Uint8Array | null
  left: TreapNode<T> | null
  right: TreapNode<T> | null
}

/**
 * Values under key ranges, found by a key they contain. Single keys are in a Map; ranges in a treap ordered by
 * (start, end) in which each node knows the largest end below it: a lookup costs O(log n + matches), also with 10,000
 * distinct ranges, an insertion or removal O(log n). Equal ranges share one value.
 */
export class WatchIndex<T> {
  readonly #points = new Map<string, T>()
  readonly #random: Random = seededRandom(1)
  #root: TreapNode<T> | null = null

  get(range: KeyRange): T | undefined {
    if (range.isPoint) return this.#points.get(pointName(range.start))
    let node = this.#root
    while (node !== null) {
      const order = compareRanges(range, node.range)
      if (order === 0) return node.value
      node = order < 0 ? node.left : node.right
    }
    return undefined
  }

  /** The range is not in the index yet. */
  add(range: KeyRange, value: T): void {
    if (range.isPoint) this.#points.set(pointName(range.start), value)
    else {
      const priority = this.#random.next()
      this.#root = insert(this.#root, { range, value, priority, maxEnd: range.end, left: null, right: null })
    }
  }

  remove(range: KeyRange): void {
    if (range.isPoint) this.#points.delete(pointName(range.start))
    else this.#root = removeFrom(this.#root, range)
  }

  /** Calls `found` with the value of every range that contains `key`. */
  match(key: Uint8Array, found: (value: T) => void): void {
    if (this.#points.size > 0) {
      const point = this.#points.get(pointName(key))
      if (point !== undefined) found(point)
    }
    if (this.#root !== null) stab(this.#root, key, found)
  }

  get isEmpty(): boolean {
    return this.#points.size === 0 && this.#root === null
  }
}

const pointName = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')

/** `null` is above every end. */
function compareEnds(a: Uint8Array | null, b: Uint8Array | null): number {
  if (a === null) return b === null ? 0 : 1
  return b === null ? -1 : compareBytes(a, b)
}

const compareRanges = (a: KeyRange, b: KeyRange): number => compareBytes(a.start, b.start) || compareEnds(a.end, b.end)

function update<T>(node: TreapNode<T>): TreapNode<T> {
  let maxEnd = node.range.end
  if (node.left !== null && compareEnds(node.left.maxEnd, maxEnd) > 0) maxEnd = node.left.maxEnd
  if (node.right !== null && compareEnds(node.right.maxEnd, maxEnd) > 0) maxEnd = node.right.maxEnd
  node.maxEnd = maxEnd
  return node
}

/** Splits into ranges below `range` and ranges above it. */
function split<T>(root: TreapNode<T> | null, range: KeyRange): [TreapNode<T> | null, TreapNode<T> | null] {
  if (root === null) return [null, null]
  if (compareRanges(root.range, range) < 0) {
    const [low, high] = split(root.right, range)
    root.right = low
    return [update(root), high]
  }
  const [low, high] = split(root.left, range)
  root.left = high
  return [low, update(root)]
}

function merge<T>(low: TreapNode<T> | null, high: TreapNode<T> | null): TreapNode<T> | null {
  if (low === null) return high
  if (high === null) return low
  if (low.priority > high.priority) {
    low.right = merge(low.right, high)
    return update(low)
  }
  high.left = merge(low, high.left)
  return update(high)
}

function insert<T>(root: TreapNode<T> | null, node: TreapNode<T>): TreapNode<T> {
  if (root === null) return node
  if (node.priority > root.priority) {
    const [low, high] = split(root, node.range)
    node.left = low
    node.right = high
    return update(node)
  }
  if (compareRanges(node.range, root.range) < 0) root.left = insert(root.left, node)
  else root.right = insert(root.right, node)
  return update(root)
}

function removeFrom<T>(root: TreapNode<T> | null, range: KeyRange): TreapNode<T> | null {
  if (root === null) return null
  const order = compareRanges(range, root.range)
  if (order === 0) return merge(root.left, root.right)
  if (order < 0) root.left = removeFrom(root.left, range)
  else root.right = removeFrom(root.right, range)
  return update(root)
}

function stab<T>(node: TreapNode<T>, key: Uint8Array, found: (value: T) => void): void {
  if (node.maxEnd !== null && compareBytes(key, node.maxEnd) >= 0) return
  if (node.left !== null) stab(node.left, key, found)
  if (compareBytes(key, node.range.start) < 0) return
  if (node.range.end === null || compareBytes(key, node.range.end) < 0) found(node.value)
  if (node.right !== null) stab(node.right, key, found)
}
