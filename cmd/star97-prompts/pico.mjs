// Speaks one text with SVOX Pico and writes 16 kHz 16-bit mono samples, little
// endian and without header, to standard output.
//
//   node pico.mjs DATA_FOLDER VOICE   (text on standard input; VOICE as in en-US_lh0)
//
// One process speaks one text: the engine carries state from text to text, and a
// fresh one gives the same bytes every time.
import { readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import SvoxPico from '@echogarden/svoxpico-wasm'

const STEP_IDLE = 200 // PICO_STEP_IDLE of picodefs.h: all text is spoken
const STEP_BUSY = 201 // PICO_STEP_BUSY
const MEMORY = 2500000 // what pico2wave gives the engine
const CHUNK = 4096

const [dataFolder, voice] = process.argv.slice(2)
if (!dataFolder || !voice) {
  console.error('usage: node pico.mjs DATA_FOLDER VOICE < text')
  process.exit(2)
}
const pico = await SvoxPico()

function need(status, deed) {
  if (status !== 0) throw new Error(`SVOX Pico could not ${deed} (status ${status})`)
}

function cString(bytes) {
  const at = pico._malloc(bytes.length + 1)
  pico.HEAPU8.set(bytes, at)
  pico.HEAPU8[at + bytes.length] = 0
  return at
}

function string(s) {
  return cString(Buffer.from(s, 'utf8'))
}

// Results of the C functions come back through pointers of 4 bytes.
const cell = () => pico._malloc(4)
const word = (at) => pico.HEAPU32[at >> 2]
const half = (at) => pico.HEAP16[at >> 1]

const systemCell = cell()
need(pico._pico_initialize(pico._malloc(MEMORY), MEMORY, systemCell), 'start')
const system = word(systemCell)

const voiceName = string('star97')
need(pico._pico_createVoiceDefinition(system, voiceName), 'define the voice')
for (const file of [`${voice.split('_')[0]}_ta.bin`, `${voice}_sg.bin`]) {
  pico.FS.writeFile(file, readFileSync(join(dataFolder, file)))
  const resource = cell()
  need(pico._pico_loadResource(system, string(file), resource), `load ${file}`)
  const name = pico._malloc(200)
  need(pico._pico_getResourceName(system, word(resource), name), `name ${file}`)
  need(pico._pico_addResourceToVoiceDefinition(system, voiceName, name), `use ${file}`)
}
const engineCell = cell()
need(pico._pico_newEngine(system, voiceName, engineCell), 'make an engine')
const engine = word(engineCell)

// The engine speaks a sentence when it has seen its end: the final zero byte says so.
const text = Buffer.concat([readFileSync(0), Buffer.from([0])])
const textAt = cString(text)
const taken = cell()
const received = cell()
const kind = cell()
const chunk = pico._malloc(CHUNK)
for (let put = 0; put < text.length; ) {
  need(pico._pico_putTextUtf8(engine, textAt + put, text.length - put, taken), 'take the text')
  put += half(taken)
  for (;;) {
    const status = pico._pico_getData(engine, chunk, CHUNK, received, kind)
    if (status !== STEP_BUSY && status !== STEP_IDLE) throw new Error(`SVOX Pico stopped with status ${status}`)
    const n = half(received)
    if (n > 0) writeAll(pico.HEAPU8.slice(chunk, chunk + n))
    if (status === STEP_IDLE) break
  }
}

function writeAll(bytes) {
  for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at)
}
