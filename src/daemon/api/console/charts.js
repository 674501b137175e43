// Small charts: the last two minutes of a number as a line, and shares as bars.

import { el, say, svg } from './dom.js'

const POINTS = 120
// A chart is never drawn wider than so many seconds fill, so that it does not begin as a needle.
const FEWEST = 30
const WIDTH = 240
const HEIGHT = 56

// A line of the last values; null is a second without one.
export class Spark {
  constructor(label, format) {
    this.values = []
    this.label = label
    this.format = format
    this.area = svg('path', { class: 'area' })
    this.line = svg('path', { class: 'line' })
    this.cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT, visibility: 'hidden' })
    this.svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' },
      this.area, this.line, this.cursor)
    this.tip = el('span', { class: 'tip', hidden: true })
    this.node = el('div', { class: 'spark' }, this.svg, this.tip)
    this.svg.addEventListener('pointermove', (event) => this.point(event))
    this.svg.addEventListener('pointerleave', () => this.point(null))
    this.draw()
  }

  push(value) {
    this.values.push(value)
    if (this.values.length > POINTS) this.values.shift()
    this.draw()
  }

  // How many seconds the width is.
  span() {
    return Math.max(FEWEST, this.values.length)
  }

  x(place) {
    return WIDTH - (this.values.length - 1 - place) * (WIDTH / (this.span() - 1))
  }

  draw() {
    const known = this.values.filter((value) => value !== null)
    this.top = Math.max(1e-9, ...known)
    const y = (value) => HEIGHT - 2 - (value / this.top) * (HEIGHT - 8)
    let line = ''
    let area = ''
    let from = null
    const end = (to) => {
      if (from !== null) area += `L${this.x(to).toFixed(1)} ${HEIGHT}L${this.x(from).toFixed(1)} ${HEIGHT}Z`
      from = null
    }
    this.values.forEach((value, place) => {
      if (value === null) return end(place - 1)
      const step = `${from === null ? 'M' : 'L'}${this.x(place).toFixed(1)} ${y(value).toFixed(1)}`
      if (from === null) from = place
      line += step
      area += step
    })
    end(this.values.length - 1)
    this.line.setAttribute('d', line)
    this.area.setAttribute('d', area)
    const last = known.length > 0 ? this.format(known[known.length - 1]) : 'nothing yet'
    this.svg.setAttribute('aria-label', `${this.label}, the last two minutes: now ${last}, at most ${this.format(known.length > 0 ? this.top : 0)}`)
  }

  // What the value was where the pointer is.
  point(event) {
    const box = this.svg.getBoundingClientRect()
    const place = event && Math.round(this.values.length - 1 - (1 - (event.clientX - box.left) / box.width) * (this.span() - 1))
    const value = event ? this.values[place] : undefined
    const known = value !== undefined && value !== null
    this.tip.hidden = !known
    this.cursor.setAttribute('visibility', known ? 'visible' : 'hidden')
    if (!known) return
    const x = this.x(place)
    this.cursor.setAttribute('x1', x)
    this.cursor.setAttribute('x2', x)
    const ago = this.values.length - 1 - place
    say(this.tip, `${this.format(value)}${ago > 0 ? `, ${ago} s ago` : ', now'}`)
    this.tip.classList.toggle('left', x > WIDTH / 2)
    this.tip.style.setProperty('--x', `${(x / WIDTH) * 100}%`)
  }
}

// A bar that is so full, from 0 to 1.
export class Bar {
  constructor(label) {
    this.fill = el('span', { class: 'fill' })
    this.node = el('span', { class: 'bar', role: 'meter', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, this.fill)
  }

  set(share, text) {
    const percent = Math.max(0, Math.min(1, share || 0)) * 100
    this.fill.style.width = `${percent}%`
    this.node.setAttribute('aria-valuenow', Math.round(percent))
    this.node.setAttribute('aria-valuetext', text)
  }
}

// Rows of names and numbers that keep their elements while the names stay.
export class Rows {
  constructor(node, make) {
    this.node = node
    this.make = make
    this.rows = new Map()
  }

  // `items` are [key, value], in the order in which they are shown; `update` gets what `make` returned for the key.
  show(items, update) {
    const keys = new Set(items.map(([key]) => key))
    for (const [key, row] of this.rows) {
      if (!keys.has(key)) {
        row.node.remove()
        this.rows.delete(key)
      }
    }
    let before = null
    for (const [key, value] of items) {
      let row = this.rows.get(key)
      if (!row) {
        row = this.make(key)
        this.rows.set(key, row)
      }
      const place = before ? before.nextSibling : this.node.firstChild
      if (row.node !== place) this.node.insertBefore(row.node, place)
      before = row.node
      update(row, value)
    }
  }
}
