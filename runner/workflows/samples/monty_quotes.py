"""What `monty` says when nobody tells it what to say. All of it is our own nonsense."""

__all__ = ["QUOTES"]

QUOTES = (
    "This teapot is not empty. It is between teas.",
    "I came here for a quarrel, and all I got was a receipt.",
    "No one foresees the Ministry of Sudden Cushions.",
    "My hovercraft is fine, thank you. It is the eels who are unhappy with me.",
    "We are the knights who say 'Please hold'.",
    "Your goose has been promoted. Kindly salute it.",
    "It is only a graze. The other leg was never my favourite.",
    "Bring me a hedge! A reasonable one, not too eager.",
    "The lumberjack regrets that he is at his embroidery until four.",
    "And now for nothing, with a small orchestra.",
    "Sir, this is a library. The shouting department is downstairs.",
    "I have a licence for the trout, and a trout for the licence.",
    "He is not a prophet. He is late for lunch.",
    "What did the plumbers ever do for us, apart from the plumbing?",
    "The penguin on your wireless wishes to file a complaint.",
    "That parrot is on sabbatical. It is writing about Norway.",
    "Silly walking is permitted on alternate Thursdays, in triplicate.",
    "How many coconuts make a cavalry? Ask the horse that is not here.",
    "Welcome to cheese! We have the counter, and the hope.",
    "Run away, but in an orderly queue.",
    "She weighs the same as a duck, and the duck demands a recount.",
    "I told you it was a vicious rabbit. You said 'bring carrots'.",
    "The answer is blue. No, it is the day before yesterday.",
    "Everyone here is an individual. Except Gerald, who is two.",
    "Nudge the button twice, wink once, and never mention the marmalade.",
    "My head has gone on strike. It says the pay is nonsense.",
    "Spam is off. We can do you a spam without the regret.",
    "The bishop will see you now. Please do not feed him.",
)
