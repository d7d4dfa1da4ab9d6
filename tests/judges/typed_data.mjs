// Judge of our typed data: what npm ethers hashes and lists for the same JSON.
// in:  [typed data as wallets take it]
// out: [{ digest, payload }]   payload: the JSON that ethers itself would hand to a wallet
import { TypedDataEncoder } from 'ethers'

let input = ''
for await (const piece of process.stdin) input += piece
const out = []
for (const { types: { EIP712Domain, ...types }, domain, message } of JSON.parse(input)) {
  out.push({
    digest: TypedDataEncoder.hash(domain, types, message),
    payload: TypedDataEncoder.getPayload(domain, types, message)
  })
}
process.stdout.write(JSON.stringify(out))
