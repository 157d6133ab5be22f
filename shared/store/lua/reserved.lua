-- What an owner's live jobs will store.
-- ARGV[2] owner
-- Returns {"ok", models, texts, bytes}
local found = reserved(ARGV[2])
return {'ok', found.model, found.text, string.format('%.0f', found.bytes)}
