-- Remembers all tables that can be reached from the globals, and returns a function that makes them what they were.
-- What it can't reach are the local variables of functions, and where the generator of random numbers stands.
local next, type, rawset, rawequal = next, type, rawset, rawequal
local getmetatable, setmetatable = getmetatable, setmetatable
local kept = {}

local function keep(value)
  if type(value) ~= "table" or kept[value] then return end
  local fields = {}
  kept[value] = { fields = fields, meta = getmetatable(value) }
  for key, field in next, value do
    fields[key] = field
    keep(key)
    keep(field)
  end
  keep(getmetatable(value))
end

keep(_G)
keep(getmetatable(""))

return function()
  for table, was in next, kept do
    for key in next, table do
      if was.fields[key] == nil then rawset(table, key, nil) end
    end
    for key, field in next, was.fields do rawset(table, key, field) end
    if not rawequal(getmetatable(table), was.meta) then setmetatable(table, was.meta) end
  end
end
