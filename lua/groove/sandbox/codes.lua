--- The error codes that the service's documentation names: what HTTP status each comes with, and
-- what it says.
--
-- Codes with status 200 stand beside results. Real answers often spell a code with "-" in place of
-- "_".
--
-- @module groove.sandbox.codes

return {
    -- input
    MISSING_INPUT_PARAMETER = { status = 400, description = "Missing parameter" },
    INVALID_INPUT_PARAMETER = { status = 400, description = "Invalid parameter value" },
    INCOMPATIBLE_INPUT_PARAMETERS = {
        status = 400, description = "Parameters cannot be used together",
    },
    INVALID_COUNTRY = { status = 400, description = "Unknown country" },
    CONTINUATION_TOKEN_INVALID_ERROR = {
        status = 400, description = "The continuation token is invalid",
    },
    UNAUTHORIZED_INPUT_PARAMETER = {
        status = 200, description = "A parameter was ignored: it is not available to this caller",
    },
    UNAUTHORIZED_API_METHOD = { status = 403, description = "This method is not available" },

    -- authentication
    ACCESS_TOKEN_MISSING = { status = 401, description = "The access token is missing" },
    ACCESS_TOKEN_INVALID = { status = 401, description = "The access token is invalid" },
    ACCESS_TOKEN_EXPIRED = { status = 401, description = "The access token has expired" },
    ACCESS_TOKEN_INVALID_SUBSCRIPTION = {
        status = 401, description = "The application has no subscription to this service",
    },
    INVALID_AUTHORIZATION_HEADER = {
        status = 401, description = "Missing or invalid authorization header",
    },
    AUTHORIZATION_TOKEN_EXPIRED = {
        status = 401, description = "The authorization token has expired",
    },
    MSA_SCOPE_REQUIRES_USER_CONSENT = {
        status = 401, description = "The user has not consented to this use",
    },
    NO_MUSIC_PASS_SUBSCRIPTION = {
        status = 403, description = "The user has no music subscription",
    },
    ACCESS_TOKEN_VALIDATION_ERROR = {
        status = 500, description = "The access token could not be checked",
    },
    ACCESS_TOKEN_SUBSCRIPTION_VALIDATION_ERROR = {
        status = 500, description = "The application's subscription could not be checked",
    },

    -- catalogue
    CATALOG_INVALID_DATA = {
        status = 200, description = "Some of the catalog's data could not be read",
    },
    CATALOG_NO_RESULT = { status = 404, description = "Item does not exist" },
    CATALOG_UNAVAILABLE = { status = 502, description = "The catalog is not available" },

    -- collection
    COLLECTION_INVALID_DATA = {
        status = 200, description = "Some of the collection's data could not be read",
    },
    COLLECTION_SOME_OPERATIONS_FAILED = {
        status = 200, description = "Some of the operations failed",
    },
    COLLECTION_INVALID_PLAYLIST_REORDER = {
        status = 400, description = "The playlist's tracks cannot be moved like this",
    },
    COLLECTION_FULL = { status = 400, description = "The collection is full" },
    COLLECTION_PLAYLIST_FULL = { status = 400, description = "The playlist is full" },
    COLLECTION_INVALID_OPERATION = {
        status = 400, description = "This operation is not supported",
    },
    COLLECTION_INVALID_ID = {
        status = 400, description = "Invalid collection id for this operation",
    },
    COLLECTION_INVALID_PLAYLIST_INFO = {
        status = 400, description = "Invalid playlist information",
    },
    COLLECTION_NO_RESULT = { status = 404, description = "Item does not exist in the collection" },
    COLLECTION_CONCURRENT_UPDATE = {
        status = 409, description = "The collection has been changed meanwhile",
    },
    COLLECTION_INVALID_RESPONSE = {
        status = 502, description = "The collection gave an invalid response",
    },
    COLLECTION_OPERATION_UNKNOWN_ERROR = {
        status = 502, description = "The collection could not carry out the operation",
    },

    -- discovery
    DISCOVERY_INVALID_DATA = {
        status = 200, description = "Some of the recommendations could not be read",
    },
    DISCOVERY_NO_RESULT = { status = 404, description = "Nothing to recommend" },
    DISCOVERY_INVALID_GENRE = { status = 404, description = "Genre does not exist" },
    DISCOVERY_INVALID_RESPONSE = {
        status = 502, description = "The recommendations gave an invalid response",
    },

    -- streaming
    DELIVERY_3RD_PARTY_CANNOT_STREAM_PURCHASES = {
        status = 403, description = "Purchased content cannot be streamed by other applications",
    },
    DELIVERY_UNAVAILABLE_CONTENT = {
        status = 404, description = "This content cannot be streamed",
    },
    DELIVERY_ERROR = { status = 404, description = "The content could not be delivered" },
    DELIVERY_CONCURRENT_STREAMING = {
        status = 409, description = "The user is streaming on another device",
    },
    DELIVERY_INVALID_RESPONSE = {
        status = 502, description = "The delivery gave an invalid response",
    },

    -- subscription
    SUBSCRIPTION_INVALID_RESPONSE = {
        status = 502, description = "The subscriptions gave an invalid response",
    },

    -- server
    TOO_MANY_REQUESTS = { status = 429, description = "Too many requests" },
    INTERNAL_SERVER_ERROR = { status = 500, description = "Internal error" },
}
