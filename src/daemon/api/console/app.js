// The console as a whole: the key, what is asked once a second, the two views, the colours.

import { at, clock, say } from './dom.js'
import { Live } from './live.js'
import { Try } from './try.js'

const EVERY_MS = 1000
const SLOWEST = 10
const KEY = 'fanfare.key'
const THEME = 'fanfare.theme'

const live = new Live()
const tryIt = new Try()

// ---- asking

class Refused extends Error {}

async function ask(path) {
  const key = sessionStorage.getItem(KEY)
  const response = await fetch(path, {
    headers: key ? { Authorization: `Bearer ${key}` } : {},
    signal: AbortSignal.timeout(5000),
    cache: 'no-store',
  })
  const answer = await response.json()
  if (!response.ok) throw Object.assign(new Refused(answer.message ?? response.statusText), { status: response.status })
  return answer
}

// ready, or why not.
async function readiness() {
  const response = await fetch('/readyz', { signal: AbortSignal.timeout(5000), cache: 'no-store' })
  if (response.ok) return ['good', 'ready']
  return /drain/i.test(await response.text()) ? ['warn', 'draining'] : ['bad', 'not ready']
}

function state([mood, text]) {
  const pill = at('state')
  pill.className = `pill ${mood}`
  say(pill, text)
}

function banner(text) {
  at('banner').hidden = !text
  say(at('banner'), text ?? '')
}

async function look() {
  try {
    const [stats, slow, ready] = await Promise.all([ask('/api/v1/stats'), ask(`/api/v1/slow?limit=${SLOWEST}`), readiness()])
    live.show(stats, slow.items, performance.now())
    tryIt.suggest(stats.listen)
    state(ready)
    // A link does not take the key along.
    at('links').hidden = sessionStorage.getItem(KEY) !== null
    banner(null)
    say(at('updated'), `as of ${clock(new Date()).slice(0, 8)}`)
    return true
  } catch (error) {
    live.gap()
    if (error.status === 401) {
      state(['warn', 'locked'])
      return askForKey()
    }
    if (error instanceof Refused) {
      state(['bad', 'refused'])
      banner(`The server refuses to tell: ${error.message}.`)
    } else {
      state(['bad', 'unreachable'])
      banner('The server does not answer. The numbers are those of before.')
    }
    return true
  }
}

async function watch() {
  const begun = performance.now()
  // Nobody looks at a page that is hidden.
  const goesOn = document.hidden || await look()
  if (goesOn) setTimeout(watch, Math.max(100, EVERY_MS - (performance.now() - begun)))
}

// ---- the key

// False: asking goes on when the key is there.
function askForKey() {
  const dialog = at('key-dialog')
  const wasWrong = sessionStorage.getItem(KEY) !== null
  sessionStorage.removeItem(KEY)
  say(at('key-error'), wasWrong ? 'That is not the key of this server.' : '')
  if (!dialog.open) dialog.showModal()
  at('key').value = ''
  at('key').focus()
  return false
}

at('key-form').addEventListener('submit', (event) => {
  event.preventDefault()
  const key = at('key').value.trim()
  // Others do not fit into a header.
  if (!/^[!-~]+$/.test(key)) return say(at('key-error'), 'A key is visible ASCII without spaces.')
  sessionStorage.setItem(KEY, key)
  at('key-dialog').close()
  watch()
})
// Without the key there is nothing to see.
at('key-dialog').addEventListener('cancel', (event) => event.preventDefault())

// ---- the views

const tabs = ['live', 'try'].map((name) => ({ name, tab: at(`tab-${name}`), panel: at(name) }))

function open(name, focus) {
  for (const { name: other, tab, panel } of tabs) {
    const isIt = other === name
    tab.setAttribute('aria-selected', isIt)
    tab.tabIndex = isIt ? 0 : -1
    panel.hidden = !isIt
    if (isIt && focus) tab.focus()
  }
  history.replaceState(null, '', `#${name}`)
}

tabs.forEach(({ name, tab }, place) => {
  tab.addEventListener('click', () => open(name))
  tab.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step) open(tabs[(place + step + tabs.length) % tabs.length].name, true)
  })
})
if (location.hash === '#try') open('try')

// ---- the colours

const THEMES = [['', 'Auto', 'as the system has them'], ['light', 'Light', 'light'], ['dark', 'Dark', 'dark']]

function paint(theme) {
  const [name, short, long] = THEMES.find(([known]) => known === theme) ?? THEMES[0]
  if (name) document.documentElement.dataset.theme = name
  else delete document.documentElement.dataset.theme
  say(at('theme'), short)
  at('theme').setAttribute('aria-label', `Colours: ${long}`)
}

at('theme').addEventListener('click', () => {
  const now = THEMES.findIndex(([name]) => name === (localStorage.getItem(THEME) ?? ''))
  const [next] = THEMES[(now + 1) % THEMES.length]
  localStorage.setItem(THEME, next)
  paint(next)
})
paint(localStorage.getItem(THEME) ?? '')

watch()
