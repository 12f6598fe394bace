---@meta groove
-- The public face of groove, for the Lua language server (and for people). spec/types_spec.lua
-- compares it with the module. All times are seconds.

---@alias groove.Kind "argument"|"pending"|"token"|"api"|"transport"|"timeout"|"cancelled"

---What went wrong. `tostring(err)` is one readable line; nothing secret is in it.
---@class groove.Error
---@field kind groove.Kind
---@field code? string always with underscores: "invalid_client", "CATALOG_NO_RESULT"
---@field status? integer of HTTP
---@field message string
---@field argument? string the argument that was refused
---@field retryable boolean whether the same call may succeed later
---@field retry_after? number seconds until it makes sense to ask again
---@field no_result? boolean there is nothing to be found; nothing went wrong

---@class groove.Event
---@field type "renewed"|"renew_failed"|"refused"|"recovered"|"invalidated"|"retry"|"callback_error"
---@field time number Unix time
---@field source? groove.Source
---@field error? groove.Error|any
---@field expires_in? number of the new token
---@field dropped? integer events lost before this one

---@class groove.Info
---@field state "empty"|"ready"|"renewing"|"failing"|"refused"|"closed"
---@field expires_in? number seconds until the token expires
---@field refresh_in? number seconds until it is renewed
---@field generation integer grows with every token
---@field origin? "network"|"adopted"|"inherited"|"store" where the token is from
---@field last_error? groove.Error
---@field counts table<string, integer>

---@class groove.Response
---@field status integer
---@field headers table<string, string> by lower-case name
---@field body string

---@class groove.Request
---@field method string
---@field url string
---@field headers table<string, string>
---@field body? string
---@field timeout? number

---@class groove.WaitOptions
---@field timeout? number seconds to wait at most
---@field wait? boolean false: never waits; `kind = "pending"` when there is no token

---@class groove.RefreshOptions
---@field timeout? number seconds to wait at most

---@class groove.FetchOptions
---@field method? string "GET" by default
---@field headers? table<string, string> not Authorization
---@field body? string
---@field timeout? number of everything, with a renewal

---Options of `groove.token_source`.
---@class groove.SourceOptions
---@field token_url? string https, or http to a loopback address or with `allow_http`; required
---@field client_id? string nothing is sent for it when absent
---@field client_secret? string one of the three at most; stays in the Lua heap until collected
---@field client_secret_file? string read at creation and at each token request
---@field client_secret_env? string name of an environment variable, read once
---@field scope? string
---@field auth? "post"|"basic"|"none" how id and secret are sent; "post" by default
---@field params? table<string, string> extra form fields, such as audience
---@field headers? table<string, string> extra headers of the token request
---@field timeout? number of one token request
---@field connect_timeout? number of the connection within it
---@field ca_file? string certificates to trust, PEM; the system's by default
---@field proxy? string of other than loopback addresses
---@field user_agent? string
---@field allow_http? boolean http to any address: anybody on the way reads the secret
---@field thread? boolean false: no I/O thread, as long as every open source of the process says so; `groove.dispatch` and blocking calls do the work
---@field renew? boolean false: a token is asked for only when somebody needs one
---@field on_event? fun(event: groove.Event) called from `dispatch` and at the start of a blocking call
---@field origin? string where `fetch` may send the token: scheme, host and port of a URL
---@field suspend? fun(call: groove.Call, seconds: number) how a coroutine host waits

---Options of `groove.static_token`.
---@class groove.StaticOptions
---@field origin? string where `fetch` may send the token
---@field ca_file? string certificates that `fetch` trusts
---@field allow_http? boolean

---A token, kept ready.
---@class groove.Source
---@field async groove.AsyncSource the methods that may have to wait, returning a call at once
local Source = {}

---The access token. Never waits while a usable one exists.
---@param opts? groove.WaitOptions
---@return string? token
---@return groove.Error? err
function Source:token(opts) end

---"Bearer ...", ready for a header.
---@param opts? groove.WaitOptions
---@return string? authorization
---@return groove.Error? err
function Source:authorization(opts) end

---A new token, although one may be usable.
---@param opts? groove.RefreshOptions
---@return string? token
---@return groove.Error? err
function Source:refresh(opts) end

---Waits until there is a usable token.
---@param seconds? number
---@return true? ready
---@return groove.Error? err
function Source:wait_ready(seconds) end

---An authorized request to the source's `origin`; renews the token and repeats once on 401.
---@param url string a URL of the origin, or a path beginning with "/"
---@param opts? groove.FetchOptions
---@return groove.Response? response
---@return groove.Error? err
function Source:fetch(url, opts) end

---The token at hand, or nil; never waits.
---@return string? token
function Source:peek() end

---What is known about the token; never the token.
---@return groove.Info
function Source:info() end

---Forgets a token that an API has refused, if it is still the current one.
---@param token string
---@return boolean
function Source:invalidate(token) end

---Takes over a token that somebody else obtained `age` seconds ago, if it is newer.
---@param token string
---@param expires_in number
---@param age? number
---@return boolean
function Source:adopt(token, expires_in, age) end

---Ends this handle; later use raises. Idempotent.
function Source:close() end

---@return boolean
function Source:closed() end

---@class groove.AsyncSource
local AsyncSource = {}

---@param opts? groove.WaitOptions
---@return groove.Call
function AsyncSource:token(opts) end

---@param opts? groove.WaitOptions
---@return groove.Call
function AsyncSource:authorization(opts) end

---@param opts? groove.RefreshOptions
---@return groove.Call
function AsyncSource:refresh(opts) end

---@param seconds? number
---@return groove.Call
function AsyncSource:wait_ready(seconds) end

---@param url string
---@param opts? groove.FetchOptions
---@return groove.Call
function AsyncSource:fetch(url, opts) end

---A call under way.
---@class groove.Call
local Call = {}

---Whether it has finished. Never blocks.
---@return boolean
function Call:done() end

---@return any value
---@return groove.Error? err `kind = "pending"` before the end
function Call:result() end

---Waits for the end; a timeout does not cancel.
---@param seconds? number at most
---@return any value
---@return groove.Error? err
function Call:wait(seconds) end

---@return boolean cancelled whether it was still running
function Call:cancel() end

---Has a function run once with the outcome, always from `groove.dispatch`.
---@param fn fun(value: any, err: groove.Error?, call: groove.Call)
---@return groove.Call
function Call:on_done(fn) end

---@alias groove.UserToken string|fun():(string?, number|string|nil)|groove.Source|false

---What the calls of a client have in common; options of `client:with`.
---@class groove.CallDefaults
---@field user_token? groove.UserToken a user's token, sent instead of the application's
---@field token_in? "header"|"query" where the token goes; "query" puts it into URLs, and so into logs
---@field language? string two letters
---@field country? string two letters
---@field client_instance_id? string names this installation, 32 to 128 characters
---@field timeout? number of the whole call, with the token and repeats; 30 by default
---@field suspend? fun(call: groove.Call, seconds: number) how a coroutine host waits
---@field on_event? fun(event: groove.Event)

---@class groove.Json
---@field decode fun(text: string): any
---@field encode fun(value: any): string
---@field null? any what `decode` gives for null

---Options of `groove.new`: those of `token_source`, or a ready `source`, and these.
---@class groove.ClientOptions: groove.SourceOptions, groove.CallDefaults
---@field profile? "live"|"azure" the documented URLs and scope of the service, or the older ones
---@field api_url? string
---@field source? groove.Source
---@field transport? fun(request: groove.Request): groove.Response?, groove.Error|string|nil
---@field json? groove.Json lua-cjson by default

---Options of every method of the API.
---@class groove.CallOptions
---@field user_token? groove.UserToken
---@field language? string
---@field country? string
---@field timeout? number
---@field format? "json"|"xml" "xml": the answer's text is returned
---@field continuation_token? string of an earlier answer's list

---@alias groove.Where "catalog"|"collection"
---@alias groove.Filter "artists"|"albums"|"tracks"|"playlists"

---@class groove.SearchOptions: groove.CallOptions
---@field max_items? integer 1 to 25
---@field filters? groove.Filter|groove.Filter[]
---@field source? groove.Where|groove.Where[] "collection" needs a user's token

---@class groove.LookupOptions: groove.CallOptions
---@field extras? string|string[] albums, topTracks, relatedArtists, tracks, artistDetails, albumDetails
---@field source? groove.Where|groove.Where[]

---@class groove.PreviewOptions: groove.CallOptions
---@field client_instance_id? string 32 to 128 characters; the client's by default

---@class groove.SendOptions
---@field method? "GET"|"POST"
---@field path string begins with "/", percent-encoded
---@field query? table<string, any> values by name; a list is joined by "+"
---@field body? string|table a table is sent as JSON
---@field format? "json"|"xml"
---@field user_token? groove.UserToken
---@field timeout? number

---@class groove.CollectOptions
---@field limit? integer items wanted at most

---A list of an answer.
---@class groove.List
---@field Items table[]
---@field ContinuationToken? string
---@field TotalItemCount? integer an estimate

---An answer of the API, with the names of the wire.
---@class groove.Page
---@field Artists? groove.List
---@field Albums? groove.List
---@field Tracks? groove.List
---@field Playlists? groove.List
---@field Culture? string
---@field Error? table

---@class groove.StreamResponse
---@field Url string
---@field ContentType string

---A client of the Groove API.
---@class groove.Client
---@field async groove.AsyncClient the same methods, returning a call at once
local Client = {}

---Searches the catalogue, the user's collection or both.
---@param query string
---@param opts? groove.SearchOptions
---@return groove.Page? page
---@return groove.Error? err
function Client:search(query, opts) end

---Looks up artists, albums, tracks and playlists.
---@param ids string|string[] any number; more than 250 characters make several requests
---@param opts? groove.LookupOptions
---@return groove.Page? page
---@return groove.Error? err
function Client:lookup(ids, opts) end

---The address of a 30 s MP3 of a track.
---@param id string
---@param opts? groove.PreviewOptions
---@return groove.StreamResponse? stream
---@return groove.Error? err
function Client:preview(id, opts) end

---The same client with other defaults, sharing everything else.
---@param opts groove.CallDefaults
---@return groove.Client? client
---@return groove.Error? err
function Client:with(opts) end

---Iterates over a list to its end, fetching as needed. A failure raises the error.
---@param list string|groove.List "Tracks", "Artists.1.Albums", or the list itself
---@param page? groove.Page
---@param err? groove.Error
---@return fun(): table?
function Client:each(list, page, err) end

---The page with the next items of a list; nil at the end.
---@param list string|groove.List
---@param page groove.Page
---@return groove.Page? page
---@return groove.Error? err
function Client:next_page(list, page) end

---All items of a list, as one table, fetching as needed.
---@param list string|groove.List
---@param page? groove.Page
---@param err? groove.Error
---@param opts? groove.CollectOptions
---@return table[] items those that came before an error, too
---@return groove.Error? err
function Client:collect(list, page, err, opts) end

---A method's request with the token, for any other HTTP stack.
---@param name string the method's
---@param ... any its arguments
---@return groove.Request? request
---@return groove.Error? err
function Client:build(name, ...) end

---Reads the answer to a request of `build`.
---@param name string
---@param response groove.Response
---@param built? groove.Request with it, the answer's lists can be continued
---@return any value
---@return groove.Error? err
function Client:parse(name, response, built) end

---A call of a path that no method covers.
---@param opts groove.SendOptions
---@return any value
---@return groove.Error? err
function Client:send(opts) end

---@param opts? groove.WaitOptions
---@return string? token
---@return groove.Error? err
function Client:token(opts) end

---@param opts? groove.WaitOptions
---@return string? authorization
---@return groove.Error? err
function Client:authorization(opts) end

---@param opts? groove.RefreshOptions
---@return string? token
---@return groove.Error? err
function Client:refresh(opts) end

---@param seconds? number
---@return true? ready
---@return groove.Error? err
function Client:wait_ready(seconds) end

---@return groove.Info
function Client:info() end

---@param token string
---@return boolean
function Client:invalidate(token) end

---Ends the client and all that `with` made of it. Idempotent.
function Client:close() end

---Whether the client has been closed.
---@return boolean
function Client:closed() end

---@class groove.AsyncClient
local AsyncClient = {}

---@param query string
---@param opts? groove.SearchOptions
---@return groove.Call
function AsyncClient:search(query, opts) end

---@param ids string|string[]
---@param opts? groove.LookupOptions
---@return groove.Call
function AsyncClient:lookup(ids, opts) end

---@param id string
---@param opts? groove.PreviewOptions
---@return groove.Call
function AsyncClient:preview(id, opts) end

---@param list string|groove.List
---@param page groove.Page
---@return groove.Call
function AsyncClient:next_page(list, page) end

---@param list string|groove.List
---@param page? groove.Page
---@param err? groove.Error
---@param opts? groove.CollectOptions
---@return groove.Call
function AsyncClient:collect(list, page, err, opts) end

---@param name string
---@param ... any
---@return groove.Call
function AsyncClient:build(name, ...) end

---@param opts groove.SendOptions
---@return groove.Call
function AsyncClient:send(opts) end

---@param opts? groove.WaitOptions
---@return groove.Call
function AsyncClient:token(opts) end

---@param opts? groove.WaitOptions
---@return groove.Call
function AsyncClient:authorization(opts) end

---@param opts? groove.RefreshOptions
---@return groove.Call
function AsyncClient:refresh(opts) end

---@param seconds? number
---@return groove.Call
function AsyncClient:wait_ready(seconds) end

---@class groove.SandboxOptions
---@field in_process? boolean true: no server; a transport and a static token
---@field tls? boolean https, with a certificate authority of its own
---@field lifetime? number|string|false of the tokens, seconds; 86400 by default
---@field json? groove.Json of this program; lua-cjson by default

---@class groove.FaultOptions
---@field on "token"|"api"
---@field status? integer answer with this status
---@field delay? number answer that many seconds later
---@field body? string answer with this body
---@field close? boolean cut the connection
---@field retry_after? number|string value of that header
---@field times? integer how often; until cleared by default

---@class groove.Fault
local Fault = {}

---Ends the fault.
function Fault:clear() end

---The stand-in for the service.
---@class groove.Sandbox
---@field api_url string
---@field token_url string
local Sandbox = {}

---A client of it. The client keeps the sandbox alive.
---@param opts? groove.ClientOptions
---@return groove.Client
function Sandbox:client(opts) end

---Options for `groove.new`.
---@return groove.ClientOptions
function Sandbox:options() end

---Switches on a fault.
---@param opts groove.FaultOptions
---@return groove.Fault
function Sandbox:fault(opts) end

---How long tokens live from now on.
---@param seconds number
function Sandbox:set_lifetime(seconds) end

---The requests it has seen, secrets blotted out.
---@return table[]
function Sandbox:log() end

---Ends it. Idempotent.
function Sandbox:stop() end

---OAuth 2.0 tokens, always ready; and the Groove Music API.
---@class groove
---@field _VERSION string
local groove = {}

---A client of the Groove API. Raises on wrong types, unknown options and missing URLs.
---@param opts? groove.ClientOptions
---@return groove.Client? client
---@return groove.Error? err
function groove.new(opts) end

---The token engine alone, for any OAuth 2.0 server.
---@param opts groove.SourceOptions
---@return groove.Source? source
---@return groove.Error? err
function groove.token_source(opts) end

---A source that gives a token which somebody else obtained.
---@param given string|fun():(string?, number|string|nil) the token, or a function of `token, expires_in`
---@param opts? groove.StaticOptions
---@return groove.Source
function groove.static_token(given, opts) end

---Runs callbacks and events of this Lua state's finished calls. Never blocks.
---@param seconds? number at most; 0.002 by default
---@return integer run
---@return boolean more
function groove.dispatch(seconds) end

---A descriptor that is readable whenever `dispatch` has work.
---@return integer
function groove.fd() end

---The stand-in for the service, as a child process on a free loopback port, or inside this one.
---@param opts? groove.SandboxOptions
---@return groove.Sandbox? sandbox
---@return groove.Error? err
function groove.sandbox(opts) end

---Ends the I/O thread of the process.
---@param seconds? number to wait at most; 5 by default
---@return boolean in_time
function groove.shutdown(seconds) end

return groove
