// Passkeys: <form data-passkey="create|get|login"> asks the browser for a credential, then posts it.
// The review page imports sign().

const TOO_OLD = 'This browser is too old for passkeys. Update it, or use your password.'
const NOT_DONE = 'The passkey was not used. Try again when you are ready.'
const KNOWN = { InvalidStateError: 'This device already holds a passkey of yours.', NotAllowedError: NOT_DONE, AbortError: NOT_DONE }

/** Is there everything that create() and sign() need? */
export const able = () => typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === 'function'

/** Signs `options.challenge`. Gives the JSON that the server verifies; throws when the person declines. */
export async function sign (options) {
  const publicKey = window.PublicKeyCredential.parseRequestOptionsFromJSON(present(options))
  const credential = await navigator.credentials.get({ publicKey })
  return credential.toJSON()
}

/** Always discoverable, so that the same passkey also signs in; always with PIN, finger or face. */
export async function create (options) {
  const wanted = present(options)
  wanted.authenticatorSelection = {
    ...wanted.authenticatorSelection, residentKey: 'required', requireResidentKey: true, userVerification: 'required'
  }
  const publicKey = window.PublicKeyCredential.parseCreationOptionsFromJSON(wanted)
  const credential = await navigator.credentials.create({ publicKey })
  return credential.toJSON()
}

/** What went wrong, for people. */
export const explain = (fault) => (able() ? KNOWN[fault.name] ?? 'The passkey did not work. ' + fault.message : TOO_OLD)

/** Without members that are null: browsers take those for values. */
const present = (options) => JSON.parse(JSON.stringify(options), (_, value) => value ?? undefined)

async function freshOptions (form) {
  const answer = await fetch(form.action, { headers: { Accept: 'application/json' } })
  if (!answer.ok) throw new Error('The server did not answer. Reload the page and try again.')
  return (await answer.json()).request_options.publicKey
}

const inPage = (form) => JSON.parse(form.querySelector('script[type="application/json"]').textContent)

const WAYS = {
  create: async (form) => create(inPage(form).creation_options.publicKey),
  get: async (form) => sign(inPage(form).request_options.publicKey),
  login: async (form) => sign(await freshOptions(form))
}

function tell (form, text) {
  const place = form.querySelector('[data-passkey-problem]')
  place.textContent = text
  place.hidden = !text
}

async function answer (event) {
  event.preventDefault()
  const form = event.target
  const button = form.querySelector('button')
  button.disabled = true
  tell(form, '')
  try {
    form.elements.credential.value = JSON.stringify(await WAYS[form.dataset.passkey](form))
    form.submit() // does not fire "submit" again
  } catch (fault) {
    tell(form, explain(fault))
    button.disabled = false
  }
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  form.addEventListener('submit', answer)
  if (able()) form.hidden = false
}
