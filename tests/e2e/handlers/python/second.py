def text():
    return "from a second file"
