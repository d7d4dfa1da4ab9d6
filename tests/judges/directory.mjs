// Judge of a record's directory: what npm ipfs-unixfs-importer makes of the files in a folder.
// argument: the folder; out: { root, blocks: { cid: size } }
import { readFile, readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'

const blocks = {}
class Store extends MemoryBlockstore {
  // Itself it remembers multihashes only, and gives them all back as raw.
  put (cid, bytes, options) {
    blocks[cid.toString()] = bytes.length
    return super.put(cid, bytes, options)
  }
}

const folder = process.argv[2]
const source = []
for (const name of (await readdir(folder)).sort()) {
  source.push({ path: `${basename(folder)}/${name}`, content: [await readFile(join(folder, name))] })
}
let last
for await (const entry of importer(source, new Store(), { profile: 'unixfs-v1-2025' })) last = entry
process.stdout.write(JSON.stringify({ root: last.cid.toString(), blocks }))
