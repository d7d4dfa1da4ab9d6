// Judge of our UnixFS trees: what npm ipfs-unixfs-importer builds of the same bytes.
// in:  [{ files: { name: size }, chunk, links }]   a file of no name ("") stands alone, others in a directory
// out: [{ root, total_size, blocks: [[cid, size]] }]
import { MemoryBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

const period = 65521
function pattern (size) {
  const out = Buffer.alloc(size)
  for (let i = 0; i < Math.min(size, period); i++) out[i] = (i * 167 + (i >> 8) * 13) & 255
  for (let done = period; done < size; done *= 2) out.copyWithin(done, 0, Math.min(done, size - done))
  return out
}

async function build ({ files, chunk, links }) {
  const store = new MemoryBlockstore()
  const alone = '' in files
  const source = Object.entries(files).map(([name, size]) => ({
    path: alone ? undefined : `d/${name}`, content: [pattern(size)]
  }))
  let last
  const options = {
    profile: 'unixfs-v1-2025',
    chunker: fixedSize({ chunkSize: chunk }),
    layout: balanced({ maxChildrenPerNode: links })
  }
  for await (const entry of importer(source, store, options)) last = entry
  const blocks = []
  for await (const { cid, bytes } of store.getAll()) {
    let size = 0
    for await (const piece of bytes) size += piece.length ?? 1
    blocks.push([cid.toString(), size])
  }
  return { root: last.cid.toString(), total_size: Number(last.size), blocks }
}

let input = ''
for await (const piece of process.stdin) input += piece
const out = []
for (const wanted of JSON.parse(input)) out.push(await build(wanted))
process.stdout.write(JSON.stringify(out))
