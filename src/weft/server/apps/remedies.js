// What went wrong, told to the person who looks at the page: the server's texts name tools, which
// only an assistant can call.

const OF_TOOLS = /\b[a-z]+_(?:sources?|connections?|jobs?|sync|collections?|entit(?:y|ies))\b/;

/** What the server said, without the sentences that say which tool to call. */
function forPeople(text) {
  const said = text.replace(/^\w+_id: /, "").split(/(?<=\.)\s/);
  return said.filter((sentence) => !OF_TOOLS.test(sentence)).join(" ") || "The server refused.";
}

/** What a person can do about a failure. */
function remedy(category, { id }, { inHost: framed, may }) {
  const sync = may("run_sync") ? "press Sync now" : "have it synced by somebody who may";
  const then = `Then ${sync}.`;
  const change = framed ? "ask your assistant to change it"
    : `ask your agent to change it, or run weft connections update ${id} --config key=value in a terminal`;
  const renew = may("authorize_connection") ? "Press Authorise and give it others."
    : "Somebody who may authorise it has to give it others.";
  const host = "on the computer that runs Weft; weft doctor there says more.";
  return {
    oauth_credentials_expired: renew,
    api_key_invalid: renew,
    auth_provider_account_gone: `Connect the account anew at the auth provider. ${then}`,
    auth_provider_credentials_invalid: `Whoever runs Weft has to renew its key for the auth provider. ${then}`,
    access_denied: `Allow it at the source. Or read something else: ${change}. ${then}`,
    config_invalid: `The configuration is below: ${change}. ${then}`,
    rate_limited: `Wait until the source allows more. ${then} What was synced is kept.`,
    source_unavailable: `It may be over by now: ${sync}. What was synced is kept.`,
    storage_failed: `Free space ${host} ${then}`,
    key_unavailable: `Restore the master key ${host} What waits starts by itself then.`,
    no_process: "Open the client that has what is missing, or change the settings of this one and restart it. The sync starts by itself then.",
    push_unfinished: "Have it pushed again, all of it. What is there already stays as it is.",
    internal: `Try again: ${sync}. If it fails again, report a bug; weft doctor --bundle collects what that needs.`,
  }[category] || `The log says more. ${then}`;
}
