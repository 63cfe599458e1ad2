-- Expensive to load: all primes below a million. Then each question is a look-up.
local prime, last = {}, 1000000
for number = 2, last do prime[number] = true end
for number = 2, 1000 do
  if prime[number] then
    for multiple = number * number, last, number do prime[multiple] = nil end
  end
end

asked = 0

function is_prime(number)
  asked = asked + 1
  if number > last then error("only numbers up to " .. last .. " are known") end
  return prime[number] == true
end
