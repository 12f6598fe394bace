---@meta groove
-- The public face of groove, for the Lua language server (and for people): give it the folder types/ as
-- a library. The methods of the API and their answers are in types/groove/api.lua. spec/types_spec.lua
-- compares both with the module. All times are seconds.

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
---@field age? number seconds since the token was asked for
---@field expires_in? number seconds until the token expires
---@field refresh_in? number seconds until it is renewed
---@field generation integer grows with every token
---@field origin? "network"|"adopted"|"inherited"|"store" where the token is from
---@field last_error? groove.Error
---@field counts table<string, integer>
---@field reasons? table<string, integer> the requests by reason: cold, due, rejected, retry, refresh
---@field codes? table<string, integer> the failures by their error's code

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
---@field proxy? string a URL; of other than loopback addresses
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

---A client of the Groove API; types/groove/api.lua has the methods of the API.
---@class groove.Client
---@field async groove.AsyncClient the same methods, returning a call at once
local Client = {}

---The same client with other defaults, sharing everything else.
---@param opts groove.CallDefaults
---@return groove.Client? client
---@return groove.Error? err
function Client:with(opts) end

---Iterates over a list to its end, fetching as needed. A failure raises the error.
---@param list string|groove.List "Tracks", "Artists.1.Albums", or the list itself
---@param page? groove.ContentResponse
---@param err? groove.Error
---@return fun(): table?
---@overload fun(self: groove.Client, list: "Artists"|groove.ArtistList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.Artist?
---@overload fun(self: groove.Client, list: "Albums"|groove.AlbumList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.Album?
---@overload fun(self: groove.Client, list: "Tracks"|groove.TrackList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.Track?
---@overload fun(self: groove.Client, list: "Playlists"|groove.PlaylistList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.Playlist?
---@overload fun(self: groove.Client, list: "Results"|groove.ContentItemList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.ContentItem?
---@overload fun(self: groove.Client, list: "Radios"|groove.RadioList, page?: groove.ContentResponse, err?: groove.Error): fun(): groove.Radio?
function Client:each(list, page, err) end

---The page with the next items of a list; nil at the end.
---@param list string|groove.List
---@param page groove.ContentResponse
---@return groove.ContentResponse? page
---@return groove.Error? err
function Client:next_page(list, page) end

---All items of a list, as one table, fetching as needed.
---@param list string|groove.List
---@param page? groove.ContentResponse
---@param err? groove.Error
---@param opts? groove.CollectOptions
---@return table[] items those that came before an error, too
---@return groove.Error? err
---@overload fun(self: groove.Client, list: "Artists"|groove.ArtistList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.Artist[], groove.Error?
---@overload fun(self: groove.Client, list: "Albums"|groove.AlbumList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.Album[], groove.Error?
---@overload fun(self: groove.Client, list: "Tracks"|groove.TrackList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.Track[], groove.Error?
---@overload fun(self: groove.Client, list: "Playlists"|groove.PlaylistList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.Playlist[], groove.Error?
---@overload fun(self: groove.Client, list: "Results"|groove.ContentItemList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.ContentItem[], groove.Error?
---@overload fun(self: groove.Client, list: "Radios"|groove.RadioList, page?: groove.ContentResponse, err?: groove.Error, opts?: groove.CollectOptions): groove.Radio[], groove.Error?
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

---@param list string|groove.List
---@param page groove.ContentResponse
---@return groove.Call
function AsyncClient:next_page(list, page) end

---@param list string|groove.List
---@param page? groove.ContentResponse
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

---Options of `groove.sandbox`.
---@class groove.SandboxOptions
---@field in_process? boolean true: no server; a transport and a static token
---@field tls? boolean https with HTTP/2, and a certificate authority of its own (`ca_file`)
---@field json? groove.Json of this program and its clients; lua-cjson by default
---@field lifetime? number|string|false of the tokens, as of `set_lifetime`; 86400 by default
---@field refresh_in? number seconds; the token's answer carries it
---@field answer_style? "snake"|"camel" access_token (by default) or accessToken
---@field expires_as_string? boolean expires_in as a string, as the older service had it
---@field code_style? "underscores"|"dashes" spelling of the API's error codes; underscores by default
---@field client_id? string the only one that is accepted
---@field client_secret? string made up at random by default
---@field scope? string the only one that is accepted
---@field catalogue? integer how many tracks there are, 100 to 1,000,000; about 4,700 by default
---@field collection_limit? integer tracks that a user's collection takes; 50,000 by default
---@field playlist_limit? integer tracks that a playlist of a user's takes; 1,000 by default

---Options of `sandbox:user_token`.
---@class groove.UserTokenOptions
---@field subscription? boolean whether the user has one from now on; as before by default, at first true
---@field lifetime? number seconds for which the token will be accepted; the sandbox's by default

---@class groove.FaultOptions
---@field on "token"|"api"
---@field status? integer answer with this status
---@field delay? number answer that many seconds later
---@field body? string|integer answer with this body; a number: so many bytes
---@field close? true|integer cut the connection; a number: after so many bytes of the body
---@field retry_after? number|string value of that header
---@field headers? table<string, string> more headers, by name
---@field times? integer how often; until cleared by default

---@class groove.Fault
local Fault = {}

---Ends the fault.
---@return true? done
---@return groove.Error? err
function Fault:clear() end

---The stand-in for the service.
---@class groove.Sandbox
---@field api_url string
---@field token_url? string not with `in_process`
---@field ca_file? string with `tls`
local Sandbox = {}

---A client of it. The client keeps the sandbox alive.
---@param opts? groove.ClientOptions
---@return groove.Client? client
---@return groove.Error? err
function Sandbox:client(opts) end

---Options for `groove.new`.
---@return groove.ClientOptions
function Sandbox:options() end

---A token of a user's, for the option `user_token`; another one every time.
---@param name? string the same name is the same user; "user" by default
---@param opts? groove.UserTokenOptions
---@return string? token
---@return groove.Error? err
function Sandbox:user_token(name, opts) end

---Switches on a fault.
---@param opts groove.FaultOptions
---@return groove.Fault? fault
---@return groove.Error? err
function Sandbox:fault(opts) end

---How long tokens live from now on.
---@param seconds number|string|false goes into the answer as it is; false: the answer names none
---@return true? done
---@return groove.Error? err
function Sandbox:set_lifetime(seconds) end

---The latest requests, secrets blotted out.
---@return table[]? requests
---@return table<string, integer>|groove.Error counts of the requests since the start: token, api
function Sandbox:log() end

---Ends it. Idempotent.
function Sandbox:stop() end

---Options of `groove.image_url`.
---@class groove.ImageOptions
---@field w? integer width in pixels, 1 to 65535, together with `h`
---@field h? integer height in pixels, 1 to 65535, together with `w`
---@field mode? "scale"|"letterbox"|"crop"
---@field background? string an HTML colour, "#1e1e1e" or "black"; only with "letterbox"

---Options of `groove.deep_link`.
---@class groove.LinkOptions
---@field type? "artist"|"album"|"track"|"playlist" what an id is of, where the item has no `Link`
---@field action? "view"|"play"|"buy" the service's choice by default, which is view
---@field target? "app"|"web" the service's choice by default

---Options of `groove.nginx.setup`: those of `token_source`, and these. Neither `suspend` nor `origin`.
---@class groove.NginxOptions: groove.SourceOptions
---@field name? string tells several credentials apart; "default" by default
---@field shared_dict? string a `lua_shared_dict`: one token for all workers
---@field token_in? "header"|"query" "query": as the parameter accessToken, which puts it into logs
---@field header? string that carries "Bearer" and the token; "Authorization" by default
---@field on_unavailable? fun(err: groove.Error) where there is no token; answers 503 by default
---@field deadline? number how long a request waits for a token at most; 3 by default
---@field prefetch? boolean asks for the first token at once

---Options of `groove.nginx.broker`.
---@class groove.BrokerOptions
---@field allow_http? boolean answers over http to all addresses: something in front ends the TLS

---In nginx only (and LuaJIT): docs/nginx.md.
---@class groove.Nginx
local Nginx = {}

---In init_by_lua or init_worker_by_lua: what a token is asked for with. Raises on what is wrong.
---@param opts groove.NginxOptions
function Nginx.setup(opts) end

---In access_by_lua: gives the request its token.
---@param name? string of the setup
---@return true? done
---@return groove.Error? err where `on_unavailable` returns
function Nginx.authorize(name) end

---The value of a header, "Bearer ...".
---@param name? string
---@return string? authorization
---@return groove.Error? err
function Nginx.authorization(name) end

---In header_filter_by_lua: a 401 of the upstream's gives the token up.
---@param name? string
---@param authorization? string what the request carried, where it is not in its headers
function Nginx.observe(name, authorization) end

---In content_by_lua: a token endpoint for clients that never see the secret.
---@param name? string
---@param opts? groove.BrokerOptions
function Nginx.broker(name, opts) end

---In content_by_lua: the numbers of all workers, for Prometheus.
function Nginx.metrics() end

---In content_by_lua: the same as a page for people.
function Nginx.status_page() end

---OAuth 2.0 tokens, always ready; and the Groove Music API.
---@class groove
---@field _VERSION string
---@field nginx groove.Nginx loaded at its first use
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

---The address of an item's picture, in a size.
---@param item groove.Content|groove.Mood|groove.Activity|string with `ImageUrl`, or that address itself
---@param opts? groove.ImageOptions
---@return string? url
---@return groove.Error? err for an item without picture, or one that has been given a size before
function groove.image_url(item, opts) end

---The address of an item's page, which opens in the Groove app or the browser.
---@param item groove.Content|string with `Link` or `Id`; or a link or an id itself
---@param opts? groove.LinkOptions
---@return string? url
---@return groove.Error? err
function groove.deep_link(item, opts) end

---Runs callbacks and events of this Lua state's finished calls. Never blocks.
---@param seconds? number at most; 0.002 by default
---@return integer run
---@return boolean more
function groove.dispatch(seconds) end

---A descriptor that is readable whenever `dispatch` has work.
---@return integer
function groove.fd() end

---What the open sources of this Lua state have done, as text for Prometheus.
---@return string
function groove.metrics() end

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
