from rdmtools_cli.main import main

main()
