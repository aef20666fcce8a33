// An OpenID Connect provider: node provider.mjs PORT PEOPLE PORTAL...
// Each PORTAL is the address of one that people may come from.
// PEOPLE is a JSON file, read anew for each answer: {subject: {claims}}. Anybody signs in as whomever they say.
import { readFileSync } from 'node:fs'
import Provider from 'oidc-provider'

const [port, people, ...portals] = process.argv.slice(2)
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'batchyard',
    client_secret: 'a-secret-of-the-portal',
    redirect_uris: portals.map((portal) => `${portal}/console/login/oidc/callback/`),
    post_logout_redirect_uris: portals.map((portal) => `${portal}/console/login/`),
  }],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'groups'],
    email: ['email', 'email_verified'],
  },
  findAccount: (_, subject) => ({
    accountId: subject,
    claims: () => ({ sub: subject, ...JSON.parse(readFileSync(people))[subject] }),
  }),
  cookies: { keys: ['a key of the tests'] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: true }, rpInitiatedLogout: { enabled: true } },
})
provider.on('server_error', (_, error) => console.error(error))
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'))
