"""Questions and documents that want an assistant to go wrong, and a model that helps them: what does Kura show all the same?"""
