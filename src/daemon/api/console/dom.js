// Building the page, and putting numbers into words. Whatever comes from a server or a client is text here, never markup.

const SVG = 'http://www.w3.org/2000/svg'

export const at = (id) => document.getElementById(id)

// An element: properties that begin with "on" are listeners, "class" and the others attributes.
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children)
}

export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children)
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined))
  return node
}

// Changes a text only if it is another one, so that nothing is laid out anew for nothing.
export function say(node, text) {
  if (node.textContent !== String(text)) node.textContent = text
}

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const short = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

// 12,345 and 1.2M
export const count = (n) => (n < 100000 ? whole.format(n) : short.format(n))

// Of a second: 0, 0.4, 12, 3.4K
export function rate(n) {
  if (n === null) return '–'
  if (n === 0) return '0'
  if (n < 0.05) return '<0.1'
  return n < 10 ? n.toFixed(1) : count(n)
}

export function bytes(n) {
  let unit = 0
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024
    unit += 1
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`
}

// 3 d 4 h, 4 h 12 min, 12 min 3 s
export function age(seconds) {
  const parts = [['d', 86400], ['h', 3600], ['min', 60], ['s', 1]]
  const first = parts.findIndex(([, length]) => seconds >= length)
  if (first < 0) return '0 s'
  return parts.slice(first, first + 2).map(([unit, length]) => {
    const n = Math.floor(seconds / length)
    seconds -= n * length
    return `${n} ${unit}`
  }).join(' ')
}

// 10 µs, 1 ms, 10 s
export function brief(seconds) {
  if (seconds >= 1) return `${Number(seconds.toPrecision(2))} s`
  if (seconds >= 1e-3) return `${Number((seconds * 1e3).toPrecision(2))} ms`
  return `${Number((seconds * 1e6).toPrecision(2))} µs`
}

export function clock(date) {
  const two = (n) => String(n).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}
